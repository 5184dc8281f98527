import { expect, test } from 'vitest';

import { World } from './world.ts';

const S = '/api/stores/acme/blog';

async function open() {
  const world = new World();
  await world.store('acme/blog');
  const { ask } = await world.token();
  for (const [path, value] of Object.entries({ 'mine/a': 1, 'mine/b': 2, 'theirs/a': 'hidden' })) {
    // oxlint-disable-next-line no-await-in-loop -- seqs in this order
    await ask('PUT', `${S}/entries/${path}`, value);
  }
  const bound = await world.token({
    pathRules: [
      { pattern: 'mine/**', allow: ['read', 'write'] },
      { pattern: 'theirs/log', allow: ['write'] },
    ],
  });
  return { all: ask, bound: bound.ask };
}

test('S102 what rules hide is refused, absent or left out, whichever way it is asked for', async () => {
  const { bound } = await open();
  const hidden = await bound('GET', `${S}/entries/theirs/a`);
  expect([hidden.status, hidden.json]).toEqual([
    403,
    {
      error: 'forbidden',
      reason: 'path_not_allowed',
      path: 'theirs/a',
      message: 'The path rules of this token do not allow this.',
    },
  ]);
  expect((await bound('GET', `${S}/entries/mine/none`)).status).toBe(404);
  expect((await bound('GET', `${S}/entries/mine`)).json).toMatchObject({ value: { a: 1, b: 2 } });
  const texts = await Promise.all([
    bound('GET', `${S}/entries`),
    bound('GET', `${S}/entries?select=keys&order=desc`),
    bound('GET', `${S}/entries?select=prefixes`),
    bound('GET', `${S}/entries?from=a&to=zz`),
    bound('POST', `${S}/entries/batch`, { paths: ['mine', 'mine/a'], subtrees: true }),
  ]);
  for (const { json } of texts) {
    expect(JSON.stringify(json)).toContain('mine');
    expect(JSON.stringify(json)).not.toMatch(/theirs|hidden/);
  }
});

test('S42 of a map that is seen in part nobody has it already: rights, and what is removed, change it after no later revision', async () => {
  const world = new World();
  await world.store('acme/blog');
  const { ask: all } = await world.token();
  const { ask: part } = await world.token({
    pathRules: ['docs/b/**', 'docs/c'].map((pattern) => ({ pattern, allow: ['read', 'write'] })),
  });
  for (const path of ['docs/a', 'docs/c', 'docs/b/x']) {
    // oxlint-disable-next-line no-await-in-loop -- seqs in this order
    await all('PUT', `${S}/entries/${path}`, 1);
  }
  const docs = `${S}/entries/docs`;
  const having = { 'If-None-Match': '"3"' };
  const whole = await all('GET', docs, undefined, having);
  expect(whole.status).toBe(304);
  // Whoever may read all now had a part perhaps, and the other way round.
  const first = await part('GET', docs, undefined, having);
  expect([first.status, first.headers.get('etag')]).toEqual([200, null]);
  expect(first.json).toMatchObject({ value: { b: { x: 1 }, c: 1 }, revision: 3 });
  await part('DELETE', `${S}/entries/docs/c`);
  const then = await part('GET', docs, undefined, having);
  expect([then.status, then.json['value']]).toEqual([200, { b: { x: 1 } }]);
  // What is seen whole has its revision for a name.
  const below = await part('GET', `${docs}/b`);
  const same = { 'If-None-Match': below.headers.get('etag') ?? '' };
  expect((await part('GET', `${docs}/b`, undefined, same)).status).toBe(304);
});

test('S102 writes outside the rules, and guards on what is hidden, are path_not_allowed', async () => {
  const { all, bound } = await open();
  const reasons = await Promise.all([
    bound('PUT', `${S}/entries/theirs/a`, 1),
    bound('PUT', `${S}/entries/mine`, 1, { 'If-Match': '"1"' }),
    bound('PUT', `${S}/entries/theirs/log`, 1, { 'If-None-Match': '*' }),
    bound('DELETE', `${S}/entries/theirs`),
    bound('POST', `${S}/entries/batch_write`, { ops: [{ op: 'set', path: 'theirs/x', value: 1 }] }),
  ]);
  const allowed = reasons.map(({ json }) => json['reason'] ?? json['error']);
  expect(allowed).toEqual([
    'path_not_allowed',
    'conflict',
    'path_not_allowed',
    'path_not_allowed',
    'path_not_allowed',
  ]);
  expect((await bound('PUT', `${S}/entries/mine/a`, 5)).status).toBe(200);
  expect((await bound('PUT', `${S}/entries/theirs/log`, 5)).status).toBe(200);
  expect((await all('GET', `${S}/entries/theirs/a`)).json).toMatchObject({ value: 'hidden' });
});

test('S102 what takes a token without rules says why it is refused', async () => {
  const { bound } = await open();
  for (const [route, body] of Object.entries({ import: {}, clone: { name: 'copy' } })) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { status, json } = await bound('POST', `${S}/${route}`, body);
    expect([status, json]).toMatchObject([
      403,
      { reason: 'path_not_allowed', message: 'The path rules of this token do not allow this.' },
    ]);
  }
});

test('a token that may write and not read learns nothing of what is there by what is refused', async () => {
  const world = new World();
  await world.store('acme/blog');
  const { ask } = await world.token();
  await ask('PUT', `${S}/entries/secret`, 'swordfish');
  const ops = [{ op: 'lease', path: 'lock', holder: 'ann' }];
  await ask('POST', `${S}/transact`, { ops });
  const { ask: blind } = await world.token({ scopes: ['entries:write'] });
  const guess = async (value: string) => {
    const body = { ops: [{ op: 'set', path: 'x', value: 1 }] };
    const preconditions = [{ path: 'secret', equals: value }];
    return (await blind('POST', `${S}/transact`, { ...body, preconditions })).json;
  };
  expect(await guess('swordfish')).toMatchObject({ reason: 'missing_scope' });
  expect(await guess('marlin')).toEqual(await guess('swordfish'));
  expect((await blind('PUT', `${S}/entries/lock`, 1)).json).toEqual({ error: 'held' });
  const increment = { ops: [{ op: 'increment', path: 'secret', value: 1 }] };
  const mismatch = { error: 'type_mismatch', op_index: 0 };
  expect((await blind('POST', `${S}/transact`, increment)).json).toEqual(mismatch);
});

test('who may write parts of a store only does not archive it, and does not purge it', async () => {
  const world = new World();
  const { id } = await world.store('acme/blog');
  const write = (...patterns: string[]) =>
    world.token({
      scopes: ['stores:delete', 'entries:write'],
      pathRules: patterns.map((pattern) => ({ pattern, allow: ['write'] })),
    });
  const bound = await write('mine/**', '*');
  for (const query of ['', '?purge=true']) {
    // oxlint-disable-next-line no-await-in-loop -- in this order
    const { status, json } = await bound.ask('DELETE', `${S}${query}`);
    expect([status, json['reason']]).toEqual([403, 'path_not_allowed']);
  }
  expect(world.archived).toEqual([]);
  expect(await world.storage.stores.get(id)).toMatchObject({ status: 'active' });
  const whole = await write('mine/**', '**');
  expect((await whole.ask('DELETE', `${S}?purge=true`)).status).toBe(200);
  expect(await world.storage.stores.get(id)).toBeNull();
});
