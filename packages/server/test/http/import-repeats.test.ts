import { expect, test } from 'vitest';

import { firstLine, imported, asImport, open, S } from './transfer.ts';

test('S95 an import repeated under its import_id imports once, and says so', async () => {
  const here = await open();
  const body = asImport(
    ...Array.from({ length: 2500 }, (_, at) => ({ path: `k/${at}`, value: at })),
  );
  expect((await imported(here, body, '?import_id=nightly')).json).toMatchObject({
    imported: 2500,
    skipped: 0,
    store_seq: 2500,
  });
  expect((await imported(here, body, '?import_id=nightly')).json).toMatchObject({
    imported: 0,
    skipped: 2500,
    store_seq: 2500,
  });
});

test('S95 a repeat of an import of which a line was refused skips what is in, and tries that line again', async () => {
  const here = await open();
  const lease = { ops: [{ op: 'lease', path: 'job', ttl_ms: 60_000 }] };
  await here.ask('POST', `${S('copy')}/transact`, lease);
  const body = asImport(
    { path: 'a', value: 1 },
    { path: 'job', value: 2 },
    { path: 'b', value: 3 },
  );
  const run = async () => (await imported(here, body, '?import_id=again')).json;
  const failed = [{ line: 3, reason: 'held' }];
  expect(await run()).toMatchObject({ imported: 2, skipped: 0, failed });
  expect(await run()).toMatchObject({ imported: 0, skipped: 2, failed });
  const release = { ops: [{ op: 'release', path: 'job', token: 1 }] };
  await here.ask('POST', `${S('copy')}/transact`, release);
  // What somebody has written since is not written over.
  await here.ask('PUT', `${S('copy')}/entries/a`, 'new');
  expect(await run()).toMatchObject({ ok: true, imported: 1, skipped: 2 });
  expect(await run()).toMatchObject({ ok: true, imported: 0, skipped: 3 });
  expect((await here.ask('GET', `${S('copy')}/entries/a`)).json['value']).toBe('new');
});

test('S95 of an import whose lines were others meanwhile, the lines that were refused are known all the same', async () => {
  const here = await open();
  const lease = { ops: [{ op: 'lease', path: 'job', ttl_ms: 60_000 }] };
  await here.ask('POST', `${S('copy')}/transact`, lease);
  const a = { path: 'a', value: 1 };
  const run = async (...rest: readonly object[]) =>
    (await imported(here, asImport(a, ...rest), '?import_id=again')).json;
  const first = [
    { path: 'job/x', value: 2 },
    { path: 'b', value: 3 },
  ];
  expect(await run(...first)).toMatchObject({ imported: 2, failed: [{ path: 'job/x' }] });
  const other = [
    { path: 'c', value: 2 },
    { path: 'job/y', value: 3 },
  ];
  expect(await run(...other)).toMatchObject({
    imported: 1,
    skipped: 1,
    failed: [{ path: 'job/y' }],
  });
  const release = { ops: [{ op: 'release', path: 'job', token: 1 }] };
  await here.ask('POST', `${S('copy')}/transact`, release);
  expect(await run(...first)).toMatchObject({ ok: true, imported: 1, skipped: 2 });
  expect((await here.ask('GET', `${S('copy')}/entries/job/x`)).json['value']).toBe(2);
});

test('S95 a line that was mended moves no others: under the same import_id they are passed over', async () => {
  const here = await open();
  const many = Array.from({ length: 1100 }, (_, at) =>
    JSON.stringify({ path: `k/${at}`, value: at }),
  );
  const run = async (...first: readonly string[]) => {
    const body = [firstLine, ...first, ...many].join('\n');
    return (await imported(here, body, '?import_id=mended')).json;
  };
  expect(await run('{"path":"a","value":')).toMatchObject({ imported: 1100, unparseable: 1 });
  await here.ask('PUT', `${S('copy')}/entries/k/7`, 'new');
  await here.ask('PUT', `${S('copy')}/entries/k/1050`, 'new');
  expect(await run('{"path":"a","value":1}')).toMatchObject({ imported: 1, skipped: 1100 });
  // Nor does one that was taken out.
  expect(await run()).toMatchObject({ imported: 0, skipped: 1100 });
  for (const at of [7, 1050]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await here.ask('GET', `${S('copy')}/entries/k/${at}`)).json['value']).toBe('new');
  }
});

test('S95 lines that an upload itself has brought before are no repeats', async () => {
  const here = await open();
  const fillers = Array.from({ length: 1000 }, (_, at) => ({ path: `k/${at}`, value: at }));
  const body = asImport({ path: 'a', value: 1 }, { path: 'a', value: 2 }, ...fillers, {
    path: 'a',
    value: 1,
  });
  expect((await imported(here, body, '?import_id=twice')).json).toMatchObject({ imported: 1003 });
  expect((await here.ask('GET', `${S('copy')}/entries/a`)).json['value']).toBe(1);
});

test('S106 another import under the Idempotency-Key of one is told so, though it is as long', async () => {
  const here = await open();
  const run = (value: number) =>
    here.world.app.request(`${S('copy')}/import`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${here.raw}`,
        'Idempotency-Key': 'daily',
        'Content-Length': '99',
      },
      body: asImport({ path: 'a', value }),
    });
  expect((await run(1)).status).toBe(200);
  const other = await run(2);
  expect([other.status, await other.json()]).toMatchObject([
    422,
    { error: 'idempotency_key_reuse' },
  ]);
  expect((await run(1)).headers.get('idempotent-replay')).toBe('true');
});

test('S95 S106 an import that is repeated with the same Idempotency-Key is told as it was, and done once', async () => {
  const here = await open();
  const run = (body: string) =>
    here.world.app.request(`${S('copy')}/import`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${here.raw}`, 'Idempotency-Key': 'nightly' },
      body,
    });
  const body = asImport({ path: 'a', value: 1 }, { path: '', value: 2 });
  const first = await run(body);
  const again = await run(body);
  expect(again.headers.get('idempotent-replay')).toBe('true');
  expect(await again.json()).toEqual(await first.json());
  const { json } = await here.ask('GET', `${S('copy')}/log`);
  expect(json['ops']).toHaveLength(1);
});

test('an import that the disk has no room for is answered so, as each write is, and goes on under its id once there is', async () => {
  const here = await open();
  const { storage } = here.world;
  const body = asImport(
    ...Array.from({ length: 1500 }, (_, at) => ({ path: `k/${at}`, value: at })),
  );
  const append = storage.append.bind(storage);
  let appends = 0;
  storage.append = async (...batch) => {
    appends += 1;
    if (appends === 1) return append(...batch);
    return { status: 'failed', message: 'There is no space left.', reason: 'full' };
  };
  const { status, json } = await imported(here, body, '?import_id=large');
  expect([status, json['error']]).toEqual([503, 'unavailable']);
  storage.append = append;
  expect((await imported(here, body, '?import_id=large')).json).toMatchObject({
    imported: 500,
    skipped: 1000,
  });
});
