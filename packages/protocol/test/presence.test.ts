import { isRefusal, passSchema, presence, presenceTopic } from '@holdfast/protocol';
import {
  readPresenceJoin,
  readPresenceList,
  readPresenceTrack,
  splitPresenceTopic,
} from '@holdfast/protocol/presence';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const schemaOf = (validate: (value: unknown) => unknown): never =>
  ({ '~standard': { version: 1, vendor: 'test', validate } }) as never;
const lenient = schemaOf((value) => ({ value }));
const sound = { name: 'cursors', store: 'acme/app', topic: 'rooms/:id', schema: lenient };

test('a definition is frozen, and its topic is the filled template', () => {
  const Cursors = presence(sound);
  expect(Object.isFrozen(Cursors)).toBe(true);
  expect(Cursors.throttle).toBe(50);
  expect(presenceTopic(Cursors, { id: '7' })).toBe('presence:acme/app:rooms/7');
  expect(presenceTopic(Cursors, { id: 'a/b~c' })).toBe('presence:acme/app:rooms/a~1b~0c');
});

test.each([
  [{ name: '' }],
  [{ store: 'acme' }],
  [{ store: 'acme/:' }],
  [{ store: ':org/:board/:more' }],
  [{ topic: '' }],
  [{ topic: 'a//b' }],
  [{ topic: 'rooms/:id/:id' }],
  [{ topic: 'rooms/:' }],
  [{ schema: {} as never }],
  [{ schema: schemaOf(async (value) => ({ value })) }],
  [{ throttle: -1 }],
])('what cannot be a definition is an error of whoever makes it: %o', (wrong) => {
  expect(() => presence({ ...sound, ...wrong })).toThrow(/presence: "/);
});

test.each([[{}], [{ id: '' }], [{ id: '\0' }], [{ id: 7 as never }]])(
  'parameters that fill no segment are errors of the caller: %o',
  (params) => {
    expect(() => presenceTopic(sound, params)).toThrow(TypeError);
  },
);

test('a definition may be of the same topic in many stores, by a parameter in the name of the store', () => {
  const Pointers = presence({ ...sound, store: 'acme/:board', topic: 'pointers' });
  expect(presenceTopic(Pointers, { board: 'b1' })).toBe('presence:acme/b1:pointers');
  for (const board of ['', 'a/b', 'Not A Name']) {
    expect(() => presenceTopic(Pointers, { board }), board).toThrow(TypeError);
  }
  expect(() => presenceTopic(Pointers, {})).toThrow(TypeError);
});

test('a schema that throws or waits lets nothing pass', () => {
  const broken = schemaOf(() => {
    throw new Error('broken');
  });
  expect(passSchema(broken, 1)).toMatchObject({ issue: 'broken' });
  expect(
    passSchema(
      schemaOf(() => Promise.reject(new Error('late'))),
      1,
    ),
  ).toMatchObject({
    issue: 'the schema is asynchronous',
  });
  expect(
    passSchema(
      schemaOf(() => ({ issues: [{ message: 'no' }] })),
      1,
    ),
  ).toMatchObject({ issue: 'no' });
  expect(passSchema(lenient, 1)).toEqual({ value: 1 });
});

test('payloads of presence are read totally', () => {
  fc.assert(
    fc.property(fc.anything(), (payload) => {
      readPresenceJoin(payload);
      readPresenceTrack(payload);
      readPresenceList(payload);
    }),
  );
  expect(readPresenceJoin({})).toEqual({ peer: null, state: null });
  const deep = JSON.parse(`${'{"a":'.repeat(40)}1${'}'.repeat(40)}`) as object;
  for (const state of [deep, { a: '\uD800' }, { a: Number.NaN }, { a: undefined }, []]) {
    expect(isRefusal(readPresenceTrack({ state }))).toBe(true);
  }
});

test('a topic has a kind, a store and a path, which may hold colons', () => {
  expect(splitPresenceTopic('presence:acme/app:a:b/c')).toEqual({
    store: 'acme/app',
    room: 'a:b/c',
  });
  for (const topic of ['presence:acme/app', 'store:a/b:c', 'presence']) {
    expect(splitPresenceTopic(topic)).toBeNull();
  }
});
