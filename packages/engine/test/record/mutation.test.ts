import { asPath, record, type StandardSchema } from '@holdfast/protocol';
import {
  compose,
  migrate,
  mutated,
  type RecordWrite,
  putBack,
  share,
  type Target,
  writesTo,
} from '@holdfast/engine/record';
import { describe, expect, test } from 'vitest';

type Item = {
  readonly name: string;
  readonly tags?: readonly string[];
  readonly balance?: number;
  readonly likes?: number;
};

const schema: StandardSchema<Item, Item> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      const { name } = (value ?? {}) as { name?: unknown };
      return typeof name === 'string'
        ? { value: value as Item }
        : { issues: [{ message: 'needs a name', path: ['name'] }] };
    },
  },
};

const accountSchema: StandardSchema<Item, Item> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      const { balance } = (value ?? {}) as { balance?: unknown };
      return typeof balance === 'number'
        ? schema['~standard'].validate(value)
        : { issues: [{ message: 'needs a balance', path: ['balance'] }] };
    },
  },
};

const textSchema: StandardSchema<string, string> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof value === 'string' ? { value } : { issues: [{ message: 'a text' }] },
  },
};

const union = (mine: readonly string[] = [], theirs: readonly string[] = []): readonly string[] => [
  ...new Set([...theirs, ...mine]),
];

const sum = (mine: number, theirs: number, base = NaN): number => theirs + mine - base;

const Plain = record({
  name: 'plain',
  store: 'acme/app',
  path: 'items/:id',
  schema,
  version: '3.0',
  migrate: {
    '1': (old) => ({ ...old, one: true }),
    '2': (old) => ({ ...old, two: true }),
  },
  migrateDown: { '4': (newer) => ({ ...newer, down: true }) },
  mutations: {
    rename: {
      input: textSchema,
      apply: (current, to) => current && { ...current, name: to },
    },
    vanish: { apply: () => undefined },
    stay: { apply: (current) => current },
    found: { apply: (_, __, { now }) => ({ name: `at ${now}` }) },
  },
});

const Ruled = record({
  ...({ store: 'acme/app', schema, version: '1' } as const),
  name: 'ruled',
  path: 'ruled/:id',
  authority: { name: 'lww', tags: union, balance: 'server' },
  mutations: {
    enrich: { apply: (current) => current && { ...current, name: 'rich', balance: 9 } },
  },
});

const late = (): never => Promise.reject(new Error('later')) as never;

const env = { opId: 'd:s:1', now: 5 };
const path = asPath('items/1');
const plain = (current?: object): Target => ({ def: Plain, path, current: current as never });
const ruled = (current?: object): Target => ({ def: Ruled, path, current: current as never });
const composed = (target: Target, write: RecordWrite): unknown => compose(target, write, env).ops;
const merge = (theirs: object | undefined, value: object): unknown =>
  mutated(Ruled, theirs as never, { name: 'holdfast:merge', value: value as never, ...env });
const code = (text: string): unknown => expect.objectContaining({ code: text });

describe('migrations', () => {
  const value = { name: 'a' };

  test('R44 another minor is no other version; R47 nor is one that cannot be read', () => {
    expect(migrate(Plain, value, '3.9')).toEqual({ value, isMigrated: false });
    expect(migrate(Plain, value, 'garbage')).toEqual({ value, isMigrated: false });
    const Any = { ...Plain, version: '*' };
    expect(migrate(Any, value, '9.9')).toEqual({ value, isMigrated: false });
  });

  test('R48 an older major is migrated', () => {
    expect(migrate(Plain, value, '2.4')).toEqual({
      value: { name: 'a', two: true },
      isMigrated: true,
    });
    expect(migrate(Plain, value, '4')).toEqual({
      value: { name: 'a', down: true },
      isMigrated: true,
    });
  });

  test('R49 step by step; a missing or throwing step is skew', () => {
    expect(migrate(Plain, value, '1.0')).toEqual({
      value: { name: 'a', one: true, two: true },
      isMigrated: true,
    });
    expect(migrate(Plain, value, '0.1')).toBe('skew');
    expect(migrate(Plain, value, '5.0')).toBe('skew');
    const Throwing = {
      ...Plain,
      migrate: {
        '2': () => {
          throw new Error('no');
        },
      },
    };
    expect(migrate(Throwing, value, '2.0')).toBe('skew');
  });
});

describe('mutations', () => {
  test('R125 a mutation is run on the value at hand, and comes to the writes of the fields it changed', () => {
    const now = mutated(Plain, { name: 'a', likes: 1 }, { name: 'rename', value: 'b', ...env });
    expect(writesTo(path, { name: 'a', likes: 1 }, now)).toEqual([
      { op: 'set', path: 'items/1/name', value: 'b' },
    ]);
    expect(writesTo(path, undefined, now)).toEqual([{ op: 'set', path, value: now }]);
    expect(writesTo(path, now, undefined)).toEqual([{ op: 'delete', path }]);
    expect(writesTo(path, now, now)).toEqual([]);
    expect(writesTo(path, { a: 1 }, {})).toEqual([{ op: 'set', path, value: {} }]);
    expect(writesTo(path, { name: 'a', 'x/y': 1 }, { name: 'a' })).toEqual([
      { op: 'delete', path: 'items/1/x~1y' },
    ]);
  });

  test('R118 an unknown mutation, a bad input, a bad result are refused before anything is sent', () => {
    const target = plain({ name: 'a' });
    expect(() => composed(target, { mutate: 'no', input: 1 })).toThrow(code('unknown_mutation'));
    expect(() => composed(target, { mutate: 'rename', input: 1 })).toThrow(code('invalid_params'));
    expect(() => composed(target, { mutate: 'toString', input: 1 })).toThrow(
      code('unknown_mutation'),
    );
    expect(() => composed(target, { set: { tags: [] } })).toThrow(code('invalid_value'));
    expect(() => composed(target, { patch: { name: 1 } })).toThrow(code('invalid_value'));
    expect(() => composed(target, { increment: [], by: 1 })).toThrow(TypeError);
    expect(() => composed(target, { increment: ['name'], by: 1 })).toThrow(code('invalid_value'));
    const unknown = { ...plain(), isUnknown: true };
    expect(() => composed(unknown, { mutate: 'rename', input: 1 })).toThrow(code('invalid_params'));
  });

  test('R118 a write that changes nothing comes to nothing', () => {
    const target = plain({ name: 'a', likes: 1 });
    expect(composed(target, { set: { likes: 1, name: 'a' } })).toEqual([]);
    expect(composed(target, { patch: { name: 'a' } })).toEqual([]);
    expect(composed(target, { increment: ['likes'], by: 0 })).toEqual([]);
    expect(composed(target, { mutate: 'stay', input: undefined })).toEqual([]);
    expect(composed(plain(), { remove: true })).toEqual([]);
  });

  test('each kind of write has its request', () => {
    const target = plain({ name: 'a', likes: 1 });
    expect(composed(target, { set: { name: 'b' } })).toEqual([
      { op: 'set', path, value: { name: 'b' } },
    ]);
    expect(composed(target, { patch: { name: 'b' } })).toEqual([
      { op: 'merge', path, value: { name: 'b' } },
    ]);
    expect(composed(target, { patch: { name: 'b', likes: undefined } })).toEqual([
      { op: 'merge', path, value: { name: 'b' } },
      { op: 'delete', path: 'items/1/likes' },
    ]);
    expect(composed(target, { increment: ['likes'], by: 2 })).toEqual([
      { op: 'increment', path: 'items/1/likes', value: 2 },
    ]);
    expect(composed(target, { remove: true })).toEqual([{ op: 'delete', path }]);
    expect(composed(target, { mutate: 'rename', input: 'b' })).toEqual([
      { op: 'mutate', path, record: 'plain', name: 'rename', value: 'b' },
    ]);
  });

  test('a set that does not pass without the authority’s fields is told which fields it may not write, and what is wrong with it else', () => {
    const Account = record({
      ...({ store: 'acme/app', schema: accountSchema, version: '1' } as const),
      name: 'account',
      path: 'accounts/:id',
      authority: { name: 'lww', balance: 'server' },
    });
    const target: Target = { def: Account, path: asPath('accounts/1'), current: undefined };
    const given = { name: 'a', balance: 7 };
    const forbidden = { code: 'forbidden_field', details: { fields: ['balance'] } };
    expect(() => composed(target, { set: given })).toThrow(expect.objectContaining(forbidden));
    expect(() => composed(target, { set: { name: 'a' } })).toThrow('at balance: needs a balance');
    expect(() => composed(target, { set: { ...given, name: 1 } })).toThrow('at name: needs a name');
    const current = { name: 'b', balance: 1 };
    expect(composed({ ...target, current }, { set: given })).toHaveLength(1);
  });

  test('R121 what is gone can be set, or made by a mutation, and nothing else; what is unknown waits', () => {
    expect(composed(plain(), { set: { name: 'a' } })).toHaveLength(1);
    expect(compose(plain(), { mutate: 'found', input: null }, env).after).toEqual({ name: 'at 5' });
    for (const write of [
      { patch: { name: 'b' } },
      { increment: ['likes'], by: 1 },
      { mutate: 'rename', input: 'b' },
    ] as const) {
      expect(() => composed(plain(), write)).toThrow(code('not_found'));
      expect(composed({ ...plain(), isUnknown: true }, write)).toHaveLength(1);
    }
    expect(composed(plain(), { remove: true })).toEqual([]);
    expect(composed({ ...plain(), isUnknown: true }, { remove: true })).toHaveLength(1);
    const patch = { name: 'b', likes: undefined };
    expect(composed({ ...plain(), isUnknown: true }, { patch })).toEqual([
      { op: 'merge', path, value: { name: 'b' } },
      { op: 'delete', path: 'items/1/likes' },
    ]);
  });
});

describe('authority', () => {
  const current = { name: 'a', tags: ['x'], balance: 5 };

  test('R146 R151 fields that are lww or merged may be written; those of the server never travel', () => {
    expect(composed(ruled(current), { set: { ...current, name: 'b', balance: 7 } })).toEqual([
      { op: 'merge', path, value: { name: 'b' } },
    ]);
    expect(composed(ruled(current), { patch: { balance: 7 } })).toEqual([]);
    expect(composed({ ...ruled(), isUnknown: true }, { patch: { balance: 7 } })).toEqual([]);
    expect(() => composed(ruled(current), { increment: ['balance'], by: 1 })).toThrow(
      code('forbidden_field'),
    );
    expect(composed(ruled(current), { set: { name: 'b' } })).toEqual([
      {
        op: 'mutate',
        path,
        record: 'ruled',
        name: 'holdfast:merge',
        value: { set: { name: 'b' }, unset: ['tags'], base: { name: 'a', tags: ['x'] } },
      },
    ]);
  });

  test('R147 an optimistic change of a field of the server is put back, and the base is not touched', () => {
    const base = Object.freeze({ ...current });
    const result = { name: 'b', balance: 9, extra: 1 };
    const strays: string[] = [];
    const onPutBack = (fields: readonly string[]): unknown => strays.push(...fields);
    expect(putBack(Ruled, base, { result, onPutBack })).toEqual({ name: 'b', balance: 5 });
    expect(strays).toEqual(['balance', 'extra']);
    expect(mutated(Ruled, current, { name: 'enrich', value: null, ...env })).toEqual({
      ...current,
      name: 'rich',
    });
    expect(result.balance).toBe(9);
  });

  test('R148 without a map, or without an object, nothing is put back', () => {
    const result = { balance: 9 };
    expect(putBack(Plain, current, { result })).toBe(result);
    expect(putBack(Ruled, current, { result: 7 })).toBe(7);
  });

  test('R154 a field that the map does not list is the server’s', () => {
    expect(composed(ruled(current), { patch: { likes: 7 } })).toEqual([]);
  });

  test('R149 R152 two writers are merged where the other has changed the field; else mine counts', () => {
    const mine = { set: { tags: ['x', 'mine'] }, unset: [], base: { tags: ['x'] } };
    expect(merge({ ...current, tags: ['x', 'theirs'] }, mine)).toEqual({
      ...current,
      tags: ['x', 'theirs', 'mine'],
    });
    expect(merge(current, mine)).toEqual({ ...current, tags: ['x', 'mine'] });
    // What was taken out stays out where nobody else has changed anything.
    expect(merge(current, { ...mine, set: { tags: [] } })).toEqual({ ...current, tags: [] });
  });

  test('R149 a merge knows what both began with', () => {
    const def = { ...Ruled, authority: { name: 'lww', likes: sum } } as const;
    const value = { set: { likes: 7 }, unset: [], base: { likes: 5 } };
    const run = { name: 'holdfast:merge', value, ...env };
    expect(mutated(def, { name: 'a', likes: 6 }, run)).toEqual({ name: 'a', likes: 8 });
  });

  test('R149 a field that one takes out is out, whoever has changed it', () => {
    const mine = { set: {}, unset: ['tags'], base: { tags: ['x'] } };
    expect(merge({ ...current, tags: ['theirs'] }, mine)).toEqual({ name: 'a', balance: 5 });
  });

  test('R150 where theirs is nothing, mine is taken as it is', () => {
    const mine = { set: { name: 'n', tags: ['mine'] }, unset: [], base: {} };
    expect(merge(undefined, mine)).toEqual({ name: 'n', tags: ['mine'] });
    expect(merge({ name: 'n', tags: null }, mine)).toEqual({ name: 'n', tags: ['mine'] });
  });
});

test('a mutation, a merge or a migration that is async is refused, and its rejection is nobody’s', () => {
  const Late = record({
    ...({ store: 'acme/app', schema, path: 'late/:id', version: '2' } as const),
    name: 'late',
    authority: { name: late },
    migrate: { '1': late },
    mutations: { late: { apply: late } },
  });
  const isTold = expect.objectContaining({ message: expect.stringContaining('cannot be async') });
  const run = (name: string, value: unknown): unknown =>
    mutated(Late, { name: 'a' }, { name, value: value as never, ...env });
  expect(() => run('late', null)).toThrow(isTold);
  const merging = { set: { name: 'mine' }, unset: [], base: { name: 'b' } };
  expect(() => run('holdfast:merge', merging)).toThrow(isTold);
  const told: unknown[] = [];
  expect(migrate({ ...Late, failed: (error) => told.push(error) }, { name: 'a' }, '1')).toBe(
    'skew',
  );
  expect(told).toEqual([isTold]);
});

describe('sharing', () => {
  test('what has not changed keeps its identity, what is new is frozen', () => {
    const before = share(undefined, {
      a: { b: [1, { c: 2 }] },
      d: 'x',
      when: new Date(1),
    }) as never;
    const next = share(before, { a: { b: [1, { c: 2 }] }, d: 'y', when: new Date(1) }) as never;
    expect(next).not.toBe(before);
    expect(next['a']).toBe(before['a']);
    expect(next['when']).toBe(before['when']);
    expect(Object.isFrozen(next)).toBe(true);
    expect(share(next, { when: new Date(1), a: { b: [1, { c: 2 }] }, d: 'y' })).toBe(next);
    expect(share([NaN], [NaN])).toEqual([NaN]);
    expect(share({ a: 1 }, { b: undefined })).toEqual({ b: undefined });
    expect(share({ bytes: new Uint8Array([1]) }, { bytes: new Uint8Array([2]) })).toEqual({
      bytes: new Uint8Array([2]),
    });
  });
});
