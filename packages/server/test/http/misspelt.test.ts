import { expect, test } from 'vitest';

import { type Ask, World } from './world.ts';

const S = '/api/stores/acme/blog';

async function open(): Promise<Ask> {
  const world = new World();
  await world.store('acme/blog');
  const { ask } = await world.token();
  await ask('PUT', `${S}/entries/a`, 1);
  return ask;
}

test.each([
  ['GET', '/entries/a?at_sec=0'],
  ['GET', '/entry?path=a&at=0'],
  ['PUT', '/entries/a?if_absent=true'],
  ['DELETE', '/entries/a?forced=true'],
  ['DELETE', '/entries/a?force=yes'],
  ['GET', '/export?fromat=sqlite'],
  ['POST', '/import?mdoe=atomic'],
  ['GET', '/diff?from_seq=0&pattern=b'],
  ['DELETE', '?purge=yes'],
])(
  'a parameter that there is none of would ask for something else: %s %s',
  async (method, path) => {
    const ask = await open();
    const { status, json } = await ask(method, `${S}${path}`, method === 'GET' ? undefined : {});
    expect([status, json['error']]).toEqual([400, 'invalid_params']);
    expect((await ask('GET', `${S}/entries/a`)).json['value']).toBe(1);
  },
);

test.each([
  ['GET', '/entries?limit=1&limit=2'],
  ['PUT', '/entry?path=a&path=b'],
  ['DELETE', '/entry?path=a&path=a'],
  ['GET', '/log?limit=1&limit=1'],
  ['GET', '/explain?path=a&path=b'],
])(
  'a parameter that is given twice is refused, for one of the two would be passed over: %s %s',
  async (method, path) => {
    const ask = await open();
    const { status, json } = await ask(method, `${S}${path}`, method === 'GET' ? undefined : 2);
    expect([status, json['error']]).toEqual([400, 'invalid_params']);
    expect((await ask('GET', `${S}/entries/a`)).json['value']).toBe(1);
  },
);

test.each([
  ['POST', '/entries', { path: 'a', value: 2 }],
  ['DELETE', '/entries', { path: 'a' }],
  ['POST', '/entries/batch_write', { ops: [{ op: 'set', path: 'a', value: 2 }] }],
  ['POST', '/transact', { ops: [{ op: 'set', path: 'a', value: 2 }] }],
])(
  'S42 a condition beside a body that names its paths is refused, not passed over: %s %s',
  async (method, path, body) => {
    const ask = await open();
    for (const header of [{ 'If-Match': '"99"' }, { 'If-None-Match': '*' }]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { status, json } = await ask(method, `${S}${path}`, body, header);
      expect([status, json['error']]).toEqual([400, 'invalid_precondition']);
    }
    expect((await ask('GET', `${S}/entries/a`)).json['value']).toBe(1);
  },
);

test.each([
  ['/entries', { path: 'a', value: 2, ifMatch: 99 }],
  ['/entries', { path: 'a', value: 2, op: 'delete' }],
  ['/entries/batch_write', { ops: [{ op: 'set', path: 'a', value: 2 }], fences: [] }],
  ['/entries/batch_write', { ops: [{ op: 'set', path: 'a', value: 2, ifAbsent: true }] }],
  ['/entries/batch_write', { ops: [{ op: 'set', path: 'a', value: 2, ttl_ms: 5 }] }],
  [
    '/transact',
    {
      ops: [{ op: 'set', path: 'a', value: 2 }],
      precondition: [{ path: 'a', equals: 9 }],
    },
  ],
  ['/transact', { ops: [{ op: 'set', path: 'a', value: 2, if_matches: 99 }] }],
  ['/transact', { ops: [{ op: 'set', path: 'a', value: 2 }], client_op_id: 'a:b:1' }],
  ['/rollback', { to_seq: 0, paths: 'b' }],
  ['/entries/batch', { paths: ['a'], subtree: true }],
])(
  'a field that there is none of is refused, for what it was to ask for would be left out: %s %j',
  async (path, body) => {
    const ask = await open();
    const { status, json } = await ask('POST', `${S}${path}`, body);
    expect([status, json['error']]).toEqual([400, 'invalid_payload']);
    expect(json['detail']).toMatch(/^There is no such field\. There (are|is) \w/);
    expect((await ask('GET', `${S}/entries/a`)).json['value']).toBe(1);
  },
);

test('a token is not made wider than was meant by a field that is misspelt', async () => {
  const world = new World();
  await world.store('acme/blog');
  const { ask } = await world.token({ scopes: ['tokens:read', 'tokens:write', 'entries:read'] });
  const before = (await ask('GET', '/api/tokens')).json['tokens'];
  for (const meant of [
    { pathRules: [{ pattern: 'a/**', allow: ['read'] }] },
    { expires: '2030-01-01T00:00:00Z' },
    { store_access: { mode: 'selected', store_ids: [] } },
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { status, json } = await ask('POST', '/api/tokens', {
      name: 'narrow',
      scopes: ['entries:read'],
      ...meant,
    });
    const [field] = Object.keys(meant);
    expect([status, json['error'], json['field']]).toEqual([422, 'invalid_payload', field]);
  }
  expect((await ask('GET', '/api/tokens')).json['tokens']).toEqual(before);
});

test('a store that was to have an end is not made without one, and a clone not under a field that is none', async () => {
  const world = new World();
  await world.store('acme/blog');
  const { ask } = await world.token({
    scopes: ['stores:create', 'stores:clone', 'stores:read', 'entries:read'],
  });
  const made = await ask('POST', '/api/stores', { name: 'acme/short', ttl: 1000 });
  expect([made.status, made.json['field']]).toEqual([422, 'ttl']);
  const cloned = await ask('POST', `${S}/clone`, { name: 'copy', ttl_ms: 1000 });
  expect([cloned.status, cloned.json['field']]).toEqual([422, 'ttl_ms']);
  expect((await ask('GET', '/api/stores')).json['stores']).toHaveLength(1);
});

test.each(['increment', 'merge', 'add', 'lease'])(
  'a batch takes sets and deletes only: with %s it is refused, and nothing of it is written',
  async (op) => {
    const ask = await open();
    const other = { op, path: 'b', value: op === 'merge' ? {} : 1 };
    const ops = [{ op: 'set', path: 'a', value: 2 }, other];
    const { status, json } = await ask('POST', `${S}/entries/batch_write`, { ops });
    expect([status, json]).toMatchObject([400, { op_index: 1 }]);
    expect((await ask('GET', `${S}/entries/a`)).json['value']).toBe(1);
  },
);
