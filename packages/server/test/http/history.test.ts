import { expect, onTestFinished, test, vi } from 'vitest';

import { StoreHost } from '../../src/host/store-host.ts';
import { type Ask, World } from './world.ts';

const S = '/api/stores/acme/blog';

async function open(): Promise<{ world: World; ask: Ask }> {
  const world = new World();
  await world.store('acme/blog');
  const { ask } = await world.token();
  return { world, ask };
}

async function write(ask: Ask, ...writes: readonly (readonly [string, unknown])[]): Promise<void> {
  for (const [path, value] of writes) {
    // oxlint-disable-next-line no-await-in-loop -- seqs in this order
    await ask(value === undefined ? 'DELETE' : 'PUT', `${S}/entries/${path}`, value);
  }
}

test('S93 reads and listings at a seq show the state that was, map revisions included', async () => {
  const { ask } = await open();
  await write(ask, ['m', { a: 1, b: 2 }], ['m/a', undefined], ['m/b', 3], ['m', undefined]);
  const at = (seq: number) => ask('GET', `${S}/entries/m?at_seq=${seq}`);
  expect((await at(1)).json).toMatchObject({ value: { a: 1, b: 2 }, revision: 1 });
  expect((await at(2)).json).toMatchObject({ value: { b: 2 }, revision: 2 });
  expect((await at(3)).json).toMatchObject({ value: { b: 3 }, revision: 3 });
  expect((await at(4)).status).toBe(404);
  const list = await ask('GET', `${S}/entries?at_seq=2`);
  expect(list.json['items']).toEqual([{ path: 'm/b', value: 2, type: 'integer', revision: 1 }]);
  expect((await at(9)).json).toEqual({ error: 'invalid_seq' });
  expect((await ask('GET', `${S}/entries/m?at_seq=x`)).status).toBe(400);
});

test('S93 a store without ops is empty at 0, and has no other past', async () => {
  const { ask } = await open();
  const list = await ask('GET', `${S}/entries?at_seq=0`);
  expect([list.status, list.json]).toEqual([200, { items: [], next_cursor: null }]);
  const entry = await ask('GET', `${S}/entries/a?at_seq=0`);
  expect([entry.status, entry.json]).toEqual([404, { error: 'not_found', path: 'a' }]);
  const diff = await ask('GET', `${S}/diff?from_seq=0`);
  expect(diff.json).toEqual({ from_seq: 0, to_seq: 0, changes: [] });
  expect((await ask('GET', `${S}/entries?at_seq=1`)).json).toEqual({ error: 'invalid_seq' });
});

test('S90 diff from 0 lists additions, null told from absent, and n to n is empty', async () => {
  const { ask } = await open();
  await write(ask, ['a', null], ['b', 'x'], ['b', undefined], ['c', 2]);
  const diff = (query: string) => ask('GET', `${S}/diff?${query}`);
  expect((await diff('from_seq=0')).json).toEqual({
    from_seq: 0,
    to_seq: 4,
    changes: [
      { path: 'a', before: null, after: null, before_type: null, after_type: 'null' },
      { path: 'c', before: null, after: 2, before_type: null, after_type: 'integer' },
    ],
  });
  expect((await diff('from_seq=2&to_seq=3')).json['changes']).toEqual([
    { path: 'b', before: 'x', after: null, before_type: 'string', after_type: null },
  ]);
  expect((await diff('from_seq=3&to_seq=3')).json['changes']).toEqual([]);
  for (const query of ['', 'from_seq=5', 'from_seq=3&to_seq=2', 'from_seq=-1']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await diff(query)).status).toBe(400);
  }
});

test('S91 a path goes back to what it was, and a second time is a noop', async () => {
  const { ask } = await open();
  await write(ask, ['a', 1], ['a', 2], ['b', 3]);
  const back = (body: object) => ask('POST', `${S}/rollback`, body);
  expect((await back({ path: 'a', to_seq: 1 })).json).toEqual({ store_seq: 4 });
  expect((await ask('GET', `${S}/entries/a`)).json).toMatchObject({ value: 1, revision: 4 });
  expect((await back({ path: 'a', to_seq: 1 })).json).toEqual({ store_seq: 4, noop: true });
  expect((await back({ path: 'a', to_seq: 0 })).json).toEqual({ store_seq: 5 });
  expect((await ask('GET', `${S}/entries/a`)).status).toBe(404);
  expect((await back({ path: 'a', to_seq: 99 })).json).toEqual({ error: 'invalid_seq' });
  expect((await back({ path: 'a', to_seq: -1 })).json).toMatchObject({ error: 'beyond_retention' });
  expect((await back({ path: 'a' })).json).toMatchObject({ error: 'invalid_payload' });
});

test('S91 a store without ops has nothing to go back to, and an archived one refuses', async () => {
  const { ask } = await open();
  const back = () => ask('POST', `${S}/rollback`, { to_seq: 0 });
  expect((await back()).json).toEqual({ error: 'no_ops' });
  await write(ask, ['a', 1]);
  await ask('DELETE', S);
  expect((await back()).json).toMatchObject({ error: 'store_archived' });
});

test('S92 the whole store goes back in one commit, and says how many ops that took', async () => {
  const { ask } = await open();
  await write(ask, ['a', { x: 1 }], ['a', 5], ['b', 1]);
  expect((await ask('POST', `${S}/rollback`, { to_seq: 1 })).json).toEqual({
    ops_written: 3,
    store_seq: 7,
  });
  expect((await ask('GET', `${S}/entries?select=keys`)).json['items']).toEqual(['a/x']);
});

test('S90 a diff of more than goes into one piece is whole', async () => {
  const { ask } = await open();
  const values = Array.from({ length: 80 }, (_, at) => [`k${10 + at}`, 'x'.repeat(1800)] as const);
  await write(ask, ...values);
  const { json } = await ask('GET', `${S}/diff?from_seq=0`);
  expect(json['changes']).toEqual(
    values.map(([path, after]) => ({
      path,
      before: null,
      after,
      before_type: null,
      after_type: 'string',
    })),
  );
});

test('S102 rules hide what differs, and let only what is writable as a whole go back', async () => {
  const { world, ask } = await open();
  await write(ask, ['mine/a', 1], ['theirs', 2]);
  const bound = await world.token({
    pathRules: [{ pattern: 'mine/**', allow: ['read', 'write'] }],
  });
  const { json } = await bound.ask('GET', `${S}/diff?from_seq=0`);
  expect(json['changes']).toMatchObject([{ path: 'mine/a' }]);
  const back = (body: object) => bound.ask('POST', `${S}/rollback`, body);
  expect((await back({ path: 'mine', to_seq: 0 })).status).toBe(200);
  expect((await back({ path: 'theirs', to_seq: 0 })).json).toMatchObject({
    reason: 'path_not_allowed',
  });
  expect((await back({ to_seq: 0 })).json).toMatchObject({ reason: 'path_not_allowed' });
});

test('S102 what comes back takes no leaf away that rules keep from being written', async () => {
  const { world, ask } = await open();
  await write(ask, ['a/b', 1], ['a', 2]);
  const bound = await world.token({ pathRules: [{ pattern: 'a/b/**', allow: ['read', 'write'] }] });
  const back = () => bound.ask('POST', `${S}/rollback`, { path: 'a/b', to_seq: 1 });
  expect((await back()).json).toMatchObject({ reason: 'path_not_allowed' });
  expect((await ask('GET', `${S}/entries/a`)).json['value']).toBe(2);
});

const seqs = (json: { readonly [key: string]: unknown }) =>
  JSON.stringify(json['ops'], ['store_seq']);

test('S89 the log is told newest first, filtered by path, device, op and time, with totals', async () => {
  const { ask } = await open();
  await write(ask, ['users/ann', 1], ['users/ann/x', 2], ['posts/a', 3], ['users/bob', 4]);
  const log = async (query: string) => (await ask('GET', `${S}/log?${query}`)).json;
  expect(await log('limit=2')).toEqual({
    ops: [
      {
        store_seq: 5,
        op: 'set',
        path: 'users/bob',
        value: 4,
        arg: null,
        type: 'integer',
        device_id: expect.stringMatching(/^http:/),
        client_op_id: expect.any(String),
        tx: null,
        inserted_at: '2026-01-01T00:00:00.000Z',
      },
      expect.objectContaining({ store_seq: 4 }),
    ],
    pagination: { page: 1, limit: 2, total: 5, total_pages: 3 },
  });
  expect(seqs(await log('limit=2&page=3'))).toBe('[{"store_seq":1}]');
  expect(seqs(await log('before_seq=3'))).toBe('[{"store_seq":2},{"store_seq":1}]');
  expect(seqs(await log('path=users/*'))).toBe('[{"store_seq":5},{"store_seq":2},{"store_seq":1}]');
  expect(await log('path=users/ann&op=delete')).toMatchObject({ pagination: { total: 1 } });
  expect(await log('device_id=nobody')).toMatchObject({ ops: [], pagination: { total: 0 } });
  expect(await log('since=2026-01-02T00:00:00Z')).toMatchObject({ pagination: { total: 0 } });
  for (const query of [
    'limit=0',
    'op=drop',
    'since=now',
    'page=1&before_seq=2',
    'path=**/a',
    'x=1',
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await ask('GET', `${S}/log?${query}`)).status).toBe(400);
  }
});

test('S89 the log of more ops than one window holds is whole, and rules leave no trace of the rest', async () => {
  const { world, ask } = await open();
  for (let round = 0; round < 13; round += 1) {
    const ops = Array.from({ length: 20 }, (_, at) => ({
      op: 'set',
      path: `k/${at}`,
      value: round,
    }));
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await ask('POST', `${S}/transact`, {
      ops: [...ops, { op: 'set', path: 'mine', value: round }],
    });
  }
  const bound = await world.token({ pathRules: [{ pattern: 'mine', allow: ['read'] }] });
  const all = (await ask('GET', `${S}/log?limit=1000`)).json;
  expect(all).toMatchObject({ pagination: { total: 273 } });
  const mine = (await bound.ask('GET', `${S}/log`)).json;
  expect(mine).toMatchObject({ pagination: { total: 13 } });
  expect(JSON.stringify(mine)).not.toContain('k/');
});

test('S89 a page of all that the log has is read by itself, and what there is besides is counted unread', async () => {
  const { ask } = await open();
  const paths = Array.from({ length: 100 }, (_, at): [string, number] => [`k/${at}`, at]);
  for (let round = 0; round < 3; round += 1) {
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await write(ask, ...paths);
  }
  const read = vi.spyOn(StoreHost.prototype, 'read');
  onTestFinished(() => read.mockRestore());
  const pagination = { limit: 5, total: 300, total_pages: 60 };
  for (const page of [1, 40, 60, 61]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { json } = await ask('GET', `${S}/log?limit=5&page=${page}`);
    const last = 300 - (page - 1) * 5;
    const shown = page === 61 ? [] : [0, 1, 2, 3, 4].map((back) => ({ store_seq: last - back }));
    expect(seqs(json)).toBe(JSON.stringify(shown));
    expect(json['pagination']).toEqual({ page, ...pagination });
  }
  const parts = await Promise.all(read.mock.results.map(({ value }) => value));
  expect(parts.flat().length).toBeLessThanOrEqual(3 * 16);
});

test('S106 a rollback of the store that is repeated under its Idempotency-Key is answered as it was', async () => {
  const { ask } = await open();
  await write(ask, ['a', 1], ['a', 2], ['b', 3]);
  const back = () => ask('POST', `${S}/rollback`, { to_seq: 1 }, { 'Idempotency-Key': 'once' });
  const first = await back();
  expect(first.json).toEqual({ ops_written: 2, store_seq: 5 });
  const again = await back();
  expect([again.json, again.headers.get('idempotent-replay')]).toEqual([first.json, 'true']);
});

test.each([
  ['the store', {}, { ops_written: 0, store_seq: 1 }],
  ['a path', { path: 'a' }, { noop: true, store_seq: 1 }],
])(
  'S106 a rollback of %s that had nothing to do does nothing later, under the same Idempotency-Key',
  async (_what, part, answer) => {
    const { ask } = await open();
    await write(ask, ['a', 1]);
    const back = (toSeq: number) =>
      ask('POST', `${S}/rollback`, { ...part, to_seq: toSeq }, { 'Idempotency-Key': 'once' });
    expect((await back(1)).json).toEqual(answer);
    await write(ask, ['a', 2]);
    const again = await back(1);
    expect([again.json, again.headers.get('idempotent-replay')]).toEqual([answer, 'true']);
    expect((await ask('GET', `${S}/entries/a`)).json['value']).toBe(2);
    expect((await back(0)).json['error']).toBe('idempotency_key_reuse');
  },
);
