import fc from 'fast-check';
import { diff, toWire } from '@holdfast/engine/data';
import { isObject, type Json, type JsonObject, setOwn, unescapeSegment } from '@holdfast/protocol';
import type { PatchOp } from '@holdfast/protocol/views';
import { expect, test } from 'vitest';

const numRuns = Number(process.env['PROPERTY_RUNS'] ?? 500);

/** The plainest way to apply: on a copy. */
function applied(tree: Json, ops: readonly PatchOp[]): Json {
  const box: { root: unknown } = { root: structuredClone(tree) };
  for (const op of ops) {
    if (op.path === '') {
      if (op.op === 'remove') throw new Error('removes the root');
      box.root = structuredClone(op.value);
      continue;
    }
    const keys = op.path.slice(1).split('/').map(unescapeSegment);
    const last = keys.pop() ?? '';
    let at: unknown = box.root;
    for (const key of keys) at = memberOf(at, key);
    applyAt(at, last, op);
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of JSON
  return box.root as Json;
}

function memberOf(at: unknown, key: string): unknown {
  if (Array.isArray(at)) return at[Number(key)];
  if (!isObject(at) || !Object.hasOwn(at, key)) throw new Error(`no parent ${key}`);
  return at[key];
}

function applyAt(at: unknown, key: string, op: PatchOp): void {
  const value = op.op === 'remove' ? null : structuredClone(op.value);
  if (Array.isArray(at)) {
    const index = Number(key);
    const end = op.op === 'add' ? at.length : at.length - 1;
    if (!/^(0|[1-9]\d*)$/.test(key) || index > end) throw new Error(`bad index ${key}`);
    if (op.op === 'add') at.splice(index, 0, value);
    else if (op.op === 'remove') at.splice(index, 1);
    else at[index] = value;
    return;
  }
  if (!isObject(at)) throw new Error('no parent');
  if ((op.op === 'add') === Object.hasOwn(at, key)) throw new Error(`${op.op} of ${key}`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a copy of ours
  const members = at as { [key: string]: Json };
  if (op.op === 'remove') delete members[key];
  else setOwn(members, key, value);
}

const names = fc.constantFrom('a', 'b', 'items', 'x/y~z', '', '__proto__', 'constructor');
const scalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer({ min: 0, max: 3 }),
  fc.constantFrom('', 'a', 'b'),
);
const identity = fc.oneof(
  fc.record({ id: fc.oneof(fc.integer({ min: 0, max: 8 }), fc.constantFrom('0', '1', 'z')) }),
  fc.record({ key: fc.integer({ min: 0, max: 8 }) }),
  fc.record({
    __musubi_store_id__: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), {
      minLength: 1,
      maxLength: 2,
    }),
  }),
);
const tree = fc.letrec<{ value: Json; object: JsonObject; list: Json }>((tie) => ({
  object: fc.array(fc.tuple(names, tie('value')), { maxLength: 4 }).map(objectOf),
  list: fc.oneof(
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(
      fc
        .tuple(identity, tie('object'))
        .map(([id, rest]) => objectOf([...Object.entries(rest), ...Object.entries(id)])),
      { maxLength: 8 },
    ),
    fc.array(scalar, { maxLength: 6 }),
  ),
  value: fc.oneof({ depthSize: 'small' }, scalar, tie('object'), tie('list')),
})).value;

function objectOf(pairs: readonly (readonly [string, unknown])[]): JsonObject {
  const object: { [key: string]: Json } = {};
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of JSON
  for (const [key, value] of pairs) setOwn(object, key, value as Json);
  return object;
}

/** A tree a little different: parts are kept, moved, dropped, doubled, or exchanged for what `pick` gives. */
function mutated(value: Json, pick: (max: number) => number, spare: Json): Json {
  if (pick(12) === 0) return spare;
  if (isObject(value)) {
    const pairs = Object.entries(value).flatMap(([key, item]): [string, Json][] => {
      if (key === '__musubi_store_id__') return [[key, item]];
      return pick(9) === 0 ? [] : [[key, mutated(item, pick, spare)]];
    });
    return objectOf(pick(9) === 0 ? [...pairs, ['fresh', spare]] : pairs);
  }
  if (!Array.isArray(value)) return value;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of JSON
  const items = (value as Json[]).flatMap((item) => {
    if (pick(6) === 0) return [];
    const kept = pick(3) === 0 ? mutated(item, pick, spare) : item;
    return pick(15) === 0 ? [kept, kept] : [kept];
  });
  for (let moves = pick(3); moves > 0 && items.length > 1; moves--) {
    const [item = null] = items.splice(pick(items.length), 1);
    items.splice(pick(items.length + 1), 0, item);
  }
  return items;
}

const pair = fc.oneof(
  fc.tuple(tree, tree),
  fc.tuple(tree, fc.infiniteStream(fc.nat(1_000_000)), tree).map(([value, numbers, spare]) => {
    const pick = (max: number): number => Number(numbers.next().value) % max;
    return [value, mutated(value, pick, spare)] as [Json, Json];
  }),
);

test('V15 whatever became of a tree, the ops give the new one, and only add, remove and replace occur', () => {
  fc.assert(
    fc.property(pair, ([before, after]) => {
      const ops = diff(before, after);
      expect(applied(before, ops)).toEqual(after);
      for (const op of ops) {
        expect(['add', 'remove', 'replace']).toContain(op.op);
        expect(op.path).not.toContain('__musubi_store_id__');
      }
      if (ops.length > 0) expect(after).not.toEqual(before);
    }),
    { numRuns },
  );
});

test('V15 the ops for moved, inserted and removed elements are no more than the elements that moved, came and went', () => {
  const keys = fc.uniqueArray(fc.nat(30), { maxLength: 20 });
  fc.assert(
    fc.property(keys, keys, (from, to) => {
      const ops = diff(list(from), list(to));
      expect(applied(list(from), ops)).toEqual(list(to));
      const gone = from.filter((id) => !to.includes(id)).length;
      const fresh = to.filter((id) => !from.includes(id)).length;
      const kept = to.filter((id) => from.includes(id)).map((id) => from.indexOf(id));
      const moved = kept.length - longestRun(kept);
      expect(ops.length).toBeLessThanOrEqual(Math.max(gone + fresh + 2 * moved, 1));
    }),
    { numRuns },
  );
});

function list(ids: readonly number[]): Json {
  return ids.map((id) => ({ id, text: 'x'.repeat(400) }));
}

/** The length of a longest increasing subsequence, in the plainest way. */
function longestRun(numbers: readonly number[]): number {
  const lengths: number[] = [];
  for (const [index, number] of numbers.entries()) {
    const below = lengths.filter((_, at) => (numbers[at] ?? 0) < number);
    lengths[index] = 1 + Math.max(0, ...below);
  }
  return Math.max(0, ...lengths);
}

const card = (id: string, text = `card ${id}`): JsonObject => ({
  __musubi_store_id__: ['cards', id],
  text,
});

test('V16 one of a thousand keyed children that moves to the front takes two ops', () => {
  const cards = Array.from({ length: 1000 }, (_, index) => card(String(index)));
  const last = cards.at(-1) ?? null;
  expect(diff({ cards }, { cards: [last, ...cards.slice(0, -1)] })).toEqual([
    { op: 'remove', path: '/cards/999' },
    { op: 'add', path: '/cards/0', value: last },
  ]);
});

test('V13 keys come and go by add and remove, children by replace, and odd keys are escaped', () => {
  expect(diff({ a: 1 }, { a: 1, 'a/b~c': 2 })).toEqual([{ op: 'add', path: '/a~1b~0c', value: 2 }]);
  expect(diff({ a: 1, b: 2 }, { a: 1 })).toEqual([{ op: 'remove', path: '/b' }]);
  expect(diff({ panel: null }, { panel: card('p') })).toEqual([
    { op: 'replace', path: '/panel', value: card('p') },
  ]);
  expect(diff({ panel: card('p') }, { panel: null })).toEqual([
    { op: 'replace', path: '/panel', value: null },
  ]);
});

test('a node that takes the place of another one, or of plain data, is sent as a whole', () => {
  const plain = { text: 'card b' };
  for (const before of [card('a'), plain]) {
    expect(diff({ x: before }, { x: card('b') })).toEqual([
      { op: 'replace', path: '/x', value: card('b') },
    ]);
  }
  expect(diff({ x: card('b') }, { x: plain })).toEqual([
    { op: 'replace', path: '/x', value: plain },
  ]);
  expect(diff({ x: card('a') }, { x: card('a', 'new') })).toEqual([
    { op: 'replace', path: '/x/text', value: 'new' },
  ]);
});

test('1 and "1" are two identities', () => {
  const long = 'x'.repeat(100);
  expect(
    diff(
      [
        { id: 1, long },
        { id: 2, long },
      ],
      [
        { id: '1', long },
        { id: 2, long },
      ],
    ),
  ).toEqual([{ op: 'replace', path: '/0', value: { id: '1', long } }]);
});

test('a list is sent as a whole where its ops would be longer', () => {
  expect(diff({ a: [1, 2, 3, 4] }, { a: [5, 6, 7, 8] })).toEqual([
    { op: 'replace', path: '/a', value: [5, 6, 7, 8] },
  ]);
});

function refuse(): never {
  throw new Error('looked into what both trees share');
}

/** Fails whoever looks into it. */
function untouchable(value: object): Json {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stands for JSON
  return new Proxy(value, {
    get: refuse,
    has: refuse,
    ownKeys: refuse,
    getOwnPropertyDescriptor: refuse,
  }) as Json;
}

function shared(count: number): Json[] {
  const of = Array.from({ length: 1000 }, () => 0);
  return Array.from({ length: count }, () => untouchable({ of }));
}

test('V20 of a tree of 100,000 values in which a leaf changed, only the way to it and the lists on it are looked at', () => {
  const [left, others] = [shared(50), shared(50)];
  const leaf = (text: string): Json => ({
    left,
    middle: { list: [...others, { deep: { text } }] },
  });
  const after = leaf('b');
  expect(diff(leaf('a'), after)).toEqual([
    { op: 'replace', path: '/middle/list/50/deep/text', value: 'b' },
  ]);
});

const plainWire = (value: unknown, previous?: Json): Json =>
  toWire(value, previous, { depthMax: 64 }).value;

test('what is written again and is equal keeps its objects, also where it moved in a list of identities', () => {
  const before = plainWire({
    a: { b: [1, { c: 2 }] },
    list: [
      { id: 1, n: {} },
      { id: 2, n: {} },
    ],
  });
  expect(plainWire(structuredClone(before), before)).toBe(before);
  const after = plainWire(
    { a: { b: [1, { c: 2 }] }, list: [{ id: 2, n: {} }, { id: 1, n: {} }, { id: 3 }] },
    before,
  );
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as written above
  const [old, fresh] = [before, after] as [{ a: Json; list: Json[] }, { a: Json; list: Json[] }];
  expect(fresh.a).toBe(old.a);
  expect(fresh.list[0]).toBe(old.list[1]);
  expect(fresh.list[1]).toBe(old.list[0]);
});

test('rewriting changes nothing but what is shared', () => {
  fc.assert(
    fc.property(pair, ([before, after]) => {
      const [clean, rewritten] = [unmarked(before), unmarked(after)];
      const former = plainWire(clean);
      expect(former).toEqual(clean);
      expect(plainWire(structuredClone(clean), former)).toBe(former);
      expect(plainWire(rewritten, former)).toEqual(rewritten);
    }),
    { numRuns },
  );
});

function unmarked(value: Json): Json {
  return JSON.parse(JSON.stringify(value).replaceAll('__musubi_store_id__', 'node'));
}

test('dates and URLs become texts, −0 becomes 0, undefined members go and undefined elements are null', () => {
  const given = {
    at: new Date(0),
    url: new URL('https://a.test/'),
    zero: -0,
    gone: undefined,
    list: [undefined, 1],
  };
  expect(plainWire(given)).toEqual({
    at: '1970-01-01T00:00:00.000Z',
    url: 'https://a.test/',
    zero: 0,
    list: [null, 1],
  });
});

test('__proto__ is an ordinary key', () => {
  const given: unknown = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}');
  const wire = plainWire(given);
  expect(JSON.stringify(wire)).toBe('{"__proto__":{"polluted":true},"constructor":1}');
  expect(plainWire({}, wire)).not.toHaveProperty('polluted');
});

class Point {
  x = 0;
}

const cyclic: { self?: unknown } = {};
cyclic.self = cyclic;

test.each([
  ['a function', { a: { b: [() => 1] } }, 'a.b[0]'],
  ['a symbol', { a: Symbol('x') }, 'a'],
  ['a bigint', { a: 1n }, 'a'],
  ['NaN', { a: Number.NaN }, 'a'],
  ['an infinity', [Infinity], '[0]'],
  ['a Map', { m: new Map() }, 'm'],
  ['a class instance', { m: new Point() }, 'm'],
  ['an invalid date', { m: new Date(Number.NaN) }, 'm'],
  ['a reserved name', { m: { __musubi_stream__: 'x' } }, 'm.__musubi_stream__'],
  ['a cycle', cyclic, 'self.self'],
])('%s cannot travel, and the failure names its path', (_, value, path) => {
  expect(() => plainWire(value)).toThrow(path);
});
