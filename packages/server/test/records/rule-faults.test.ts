import { record, RejectedError } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { VirtualClock } from '../conversation/clock.ts';
import { everything, world } from '../conversation/world.ts';
import { person, transact, write } from './site.ts';

const Member = record({
  name: 'member',
  store: 'demo/main',
  path: 'people/:id',
  version: '1.0',
  schema: z.object({ name: z.string(), email: z.string().optional() }),
  visibility: { name: () => true },
});

type Rule = (
  _ctx: unknown,
  _ref: unknown,
  intent: { readonly value?: unknown },
) => Promise<boolean>;

/** A server with Ada, of whom nobody sees but the name, and what it logged. */
async function site(rule: Rule, clock = new VirtualClock()) {
  const logged: string[] = [];
  const log = (fields: object, message: string): void => {
    logged.push(`${message} ${String(Object.values(fields)[0])}`);
  };
  const made = await world({
    clock,
    log: { info: () => undefined, error: log },
    authenticate: async ({ token }) => (token === 'dev' ? everything : person(token)),
  });
  const members = made.server.record(Member, { write: rule });
  await members.write({ id: 'ada' }, { set: { name: 'Ada', email: 'ada@secret' } });
  const eve = await made.joined({ token: 'eve', device: 'eve' });
  const rename = () => write(eve, { op: 'set', path: 'people/ada/name', value: 'Eve' });
  return { eve, rename, logged, clock };
}

test.for([
  [
    'at once',
    () => {
      throw new Error('no database');
    },
  ],
  ['later', () => Promise.reject(new Error('no database'))],
] as const)(
  'R219 a write rule that fails %s says nothing of the object, and its error is found in the log',
  async ([, rule]) => {
    const { rename, logged } = await site(rule);
    const { status, response } = await rename();
    expect([status, response['reason']]).toEqual(['error', 'internal_error']);
    expect(JSON.stringify(response)).not.toContain('secret');
    const line = logged.find((each) => each.includes(String(response['error_id'])));
    expect(line).toContain('no database');
  },
);

test('a write rule that never answers is waited for five seconds, and then the write is overloaded', async () => {
  let isAsked = false;
  const { rename, clock } = await site(() => {
    isAsked = true;
    return new Promise<boolean>(() => undefined);
  });
  let answer: unknown;
  const writing = rename().then(({ response }) => {
    answer = response['reason'];
  });
  await expect.poll(() => isAsked).toBe(true);
  await clock.pass(4999);
  expect(answer).toBeUndefined();
  await clock.pass(1);
  await writing;
  expect(answer).toBe('overloaded');
});

test('a write rule that answers later is asked for each op of a transaction by itself: one no is no', async () => {
  const { eve } = await site(async (_ctx, _ref, { value }) => value !== 'no');
  for (const names of [
    ['yes', 'no'],
    ['no', 'yes'],
  ]) {
    const ops = names.map((value) => ({ op: 'set', path: 'people/ada/name', value }));
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { response } = await transact(eve, ops);
    expect(response['reason']).toBe('path_not_allowed');
  }
});

test('a write rule that says no with a code of its own tells that, with the details that it gives', async () => {
  const { rename } = await site(() =>
    Promise.reject(new RejectedError('too_late', { since: 5, message: 'It is over.' })),
  );
  const { response } = await rename();
  expect(response).toEqual({ reason: 'too_late', since: 5, message: 'It is over.' });
});

test('S67 behind a write that the server fails over, as behind one for later, nothing is done before that comes again', async () => {
  let isDown = true;
  const { eve } = await site(async () => {
    if (isDown) throw new Error('no database');
    return true;
  });
  const ask = (id: string, more: object = {}) =>
    write(eve, { client_op_id: id, op: 'set', path: 'people/ada/name', value: id, ...more });
  expect((await ask('first')).response).toMatchObject({ reason: 'internal_error' });
  isDown = false;
  const blocked = { reason: 'blocked', client_op_id: 'first', retry_after_ms: 1000 };
  expect((await ask('second')).response).toEqual(blocked);
  expect((await ask('first', { unblock: true })).response).toEqual({ store_seq: 3 });
  expect((await ask('second')).response).toEqual({ store_seq: 4 });
});

/** A promise that is no instance of `Promise`, as those of some libraries and of other realms are. */
function foreign<T>(value: T): Promise<T> {
  const promise = Promise.resolve(value);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion, unicorn/no-thenable -- as much of one as may be waited for
  return { then: promise.then.bind(promise) } as Promise<T>;
}

const without = Object.create(null) as Error;

test.for<[string, () => Promise<{ readonly issues: [{ readonly message: string }] }>]>([
  ['says so by a promise of another kind', () => foreign({ issues: [{ message: 'no' }] })],
  [
    'throws what has no text',
    () => {
      throw without;
    },
  ],
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- anything may be
  ['rejects with what has no text', () => Promise.reject(without)],
])('R99 what a write schema is against that %s is not committed', async ([, validate]) => {
  const { server, joined } = await world();
  const writeSchema = { '~standard': { version: 1 as const, vendor: 'test', validate } };
  const members = server.record(Member, { writeSchema });
  const set = members.write({ id: 'bob' }, { set: { name: 'Bob' } });
  await expect(set).rejects.toMatchObject({ code: 'invalid_value' });
  const peer = await joined();
  const { response } = await write(peer, { op: 'set', path: 'people/bob/name', value: 'Bob' });
  expect(response).toMatchObject({ reason: 'invalid_value', record: 'member' });
});

test('a write rule may say yes by a promise of another kind', async () => {
  const { rename } = await site(() => foreign(true));
  expect(await rename()).toMatchObject({ status: 'ok' });
});
