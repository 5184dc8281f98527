import { expect, test } from 'vitest';

import { type Ask, World } from './world.ts';

const S = '/api/stores/acme/blog';

async function open(): Promise<Ask> {
  const world = new World({});
  await world.store('acme/blog');
  return (await world.token()).ask;
}

test('S46 a path of the URL is written and deleted under the lease that ?fence names, and fenced where it is not held', async () => {
  const ask = await open();
  const lease = { ops: [{ op: 'lease', path: 'jobs/a:b' }] };
  const { json } = await ask('POST', `${S}/transact`, lease);
  expect(json).toMatchObject({ results: [{ token: 1 }] });
  const fenced = { status: 409, json: { error: 'fenced' } };
  for (const path of ['entries/x?', 'entry?path=x&']) {
    // oxlint-disable no-await-in-loop -- one after the other
    expect(await ask('PUT', `${S}/${path}fence=jobs/a:b:2`, 1)).toMatchObject(fenced);
    expect((await ask('PUT', `${S}/${path}fence=jobs/a:b:1`, 1)).status).toBe(200);
    expect(await ask('PUT', `${S}/${path}fence=jobs/a:b:2`, 1, { 'If-Match': '*' })).toMatchObject(
      fenced,
    );
    expect(await ask('DELETE', `${S}/${path}fence=jobs/a:b:2`)).toMatchObject(fenced);
    expect((await ask('DELETE', `${S}/${path}fence=jobs/a:b:1`)).status).toBe(200);
    expect(await ask('PUT', `${S}/${path}fence=1`, 1)).toMatchObject({
      status: 400,
      json: { error: 'invalid_precondition' },
    });
    // oxlint-enable no-await-in-loop
  }
});

test.each(['entries', 'entries/batch_write', 'transact'])(
  'a fence beside the body of %s is refused, for it would not be looked at',
  async (route) => {
    const ask = await open();
    const body = { path: 'a', value: 1, ops: [{ op: 'set', path: 'a', value: 1 }] };
    expect(await ask('POST', `${S}/${route}?fence=job:1`, body)).toMatchObject({
      status: 400,
      json: { error: 'invalid_precondition' },
    });
    expect((await ask('GET', `${S}/entries/a`)).status).toBe(404);
  },
);

test.each(['rollback', 'import'])(
  'a guard of a %s is refused, for it would not be looked at',
  async (route) => {
    const ask = await open();
    await ask('PUT', `${S}/entries/a`, 1);
    const body = { to_seq: 0 };
    const answers = [
      await ask('POST', `${S}/${route}?fence=job:1`, body),
      await ask('POST', `${S}/${route}`, body, { 'If-Match': '7' }),
      await ask('POST', `${S}/${route}`, body, { 'If-None-Match': '*' }),
    ];
    const refused = { status: 400, json: { error: 'invalid_precondition' } };
    expect(answers).toMatchObject([refused, refused, refused]);
    expect((await ask('GET', `${S}/entries/a`)).status).toBe(200);
  },
);
