import { passthrough, record, RejectedError } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { topic, world } from '../conversation/world.ts';
import { headOf, http, transact, write } from './site.ts';

const User = record({
  name: 'user',
  store: 'demo/main',
  path: 'users/:id',
  version: '1.0',
  schema: passthrough<{ readonly [field: string]: unknown }>(),
});

test('a write rule is asked of whatever bears on its object: at it, above it, below it, in a transaction, by a rollback', async () => {
  const { server, joined } = await world();
  const asked: (string | null)[] = [];
  const users = server.record(User, {
    write: (_ctx, { params }, { op, path }) => {
      asked.push(`${op} ${path}`);
      return params.id !== 'no';
    },
  });
  for (const id of ['no', 'yes']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await users.write({ id }, { set: { a: { b: 1 } } });
  }
  const peer = await joined();
  await write(peer, { op: 'set', path: 'users/yes/a', value: 2 });
  const head = await headOf(peer);
  asked.length = 0;
  const ops = [
    { op: 'set', path: 'users/no/a/b', value: 2 },
    { op: 'delete', path: 'users/no' },
    { op: 'merge', path: 'users', value: { no: { c: 1 } } },
    { op: 'delete', path: 'users' },
  ];
  const replies = [];
  // oxlint-disable no-await-in-loop -- one after the other
  for (const op of ops) {
    replies.push(await write(peer, op));
    replies.push(await transact(peer, [{ op: 'set', path: 'x', value: 1 }, op]));
  }
  // oxlint-enable no-await-in-loop
  replies.push(await peer.ask(topic, 'rollback', { path: 'users', to_seq: 1 }));
  for (const { response } of replies) expect(response['reason']).toBe('path_not_allowed');
  expect(await headOf(peer)).toBe(head);
  for (const { op, path } of ops) expect(asked).toContain(`${op} ${path}`);
  expect(asked).toContain('rollback users');
});

test.for([1, 'yes', {}, undefined])(
  'a write rule that says %j, at once or later, has not said yes',
  async (said) => {
    const { server, joined } = await world();
    let answer: unknown = said;
    server.record(User, { write: (): boolean => answer as boolean });
    const peer = await joined();
    const ask = () => write(peer, { op: 'set', path: 'users/1', value: { a: 1 } });
    expect((await ask()).response['reason']).toBe('path_not_allowed');
    answer = Promise.resolve(said);
    expect((await ask()).response['reason']).toBe('path_not_allowed');
    answer = Promise.resolve(true);
    expect((await ask()).status).toBe('ok');
  },
);

test('what code of the application refuses as unauthorized is refused for good by HTTP: nobody has shut its sender out', async () => {
  const made = await world();
  made.server.record(User, {
    write: () => {
      throw new RejectedError('unauthorized', { why: 'no seat' });
    },
  });
  const body = { path: 'users/1/a', value: 1 };
  expect(await http(made, 'POST', 'entries', { body })).toMatchObject({
    status: 401,
    json: { error: 'unauthorized', why: 'no seat' },
  });
});
