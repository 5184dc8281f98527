import { asGlob, asPath, asStoreName, type Json, type Leaf, refuse } from '@holdfast/protocol';
import type { PendingRequest } from '@holdfast/engine/replica';
import type { Cache, CacheChange, CachedStore, DeadLetter } from '../port.ts';

/** The store of most cases. */
export const app: ReturnType<typeof asStoreName> = asStoreName('acme/app');

type Parts = {
  readonly replaces?: boolean;
  readonly entries?: Iterable<readonly [string, Leaf | null]>;
  readonly maps?: readonly (readonly [string, number | null])[];
  readonly requests?: CacheChange['requests'];
};

export function change(
  seq: number,
  { replaces = false, entries = [], maps = [], requests = [] }: Parts,
): CacheChange {
  return {
    seq,
    incarnation: 'first',
    scope: 'whole',
    patterns: [asGlob('**')],
    replaces,
    entries: mapped(entries),
    maps: maps.map(([path, revision]) => [asPath(path), revision] as const),
    requests,
  };
}

function* mapped(
  entries: Iterable<readonly [string, Leaf | null]>,
): Generator<readonly [ReturnType<typeof asPath>, Leaf | null], void, undefined> {
  for (const [path, each] of entries) yield [asPath(path), each];
}

/** A store with something of everything. */
export async function fill(cache: Cache): Promise<void> {
  await cache.load(app);
  cache.letters?.put(app, letter('d:s:0'));
  const requests = [1, 2].map((n) => [`d:s:${n}`, pending(`d:s:${n}`, n)] as const);
  await cache.commit(
    app,
    change(7, {
      entries: [
        ['a', leaf(1, 3)],
        ['m/b', leaf('two', 5)],
      ],
      maps: [['m', 6]],
      requests,
    }),
  );
}

export function leaf(value: string | number, revision: number): Leaf {
  return { value, type: typeof value === 'string' ? 'string' : 'integer', revision };
}

export function pending(opId: string, order: number): PendingRequest {
  return {
    opId,
    request: { op: 'set', path: asPath('k'), value: { n: order }, ifMatch: 3 },
    status: { state: 'queued' },
    attempts: 0,
    createdAt: 1000 + order,
    firstSentAt: null,
    order,
    blind: false,
  };
}

export function letter(opId: string): DeadLetter {
  const request = { op: 'increment', path: asPath('c'), value: 1 } as const;
  const refusal = refuse('type_mismatch', { type: 'string' });
  return { opId, request, refusal, createdAt: 1, refusedAt: 2 };
}

export function* breakingAfter(count: number): Generator<readonly [string, Leaf], void, undefined> {
  for (let n = 0; n < count; n++) yield [`k${n}`, leaf(n, 8)];
  throw new Error('no more');
}

export function oddLeaves(): readonly (readonly [string, Leaf])[] {
  const odd: unknown = JSON.parse('{"__proto__":{"a":1},"constructor":null,"":[]}');
  const values: readonly (readonly [string, unknown, Leaf['type']])[] = [
    ['__proto__/x', odd, 'map'],
    ['é/ü 😀/~0~1', '\u2028\u{10FFFF}"\\', 'string'],
    ['\uE000', 1e-7, 'float'],
    ['\u{1F600}', [], 'list'],
    ['a!b', true, 'boolean'],
    ['a"b', null, 'null'],
    ["a'b", Number.MAX_SAFE_INTEGER, 'integer'],
  ];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of it is JSON
  return values.map(([path, value, type]) => [path, { value: value as Json, type, revision: 1 }]);
}

type Shown = {
  readonly head: readonly [number, string | null, string | null, readonly string[]];
  readonly entries: readonly (readonly unknown[])[];
  readonly maps: readonly (readonly [string, number])[];
  readonly outbox: readonly PendingRequest[];
};

/** An image as plain data, entries in path order. */
export function shown(image: CachedStore | null): Shown {
  if (image === null) throw new Error('something is stored');
  const { seq, incarnation, scope, patterns, outbox } = image;
  const { loaded } = image;
  const entries = loaded === undefined ? image.entries : loaded.entries();
  const maps = loaded === undefined ? image.maps : loaded.maps();
  return {
    head: [seq, incarnation, scope, patterns],
    entries: byPath(
      [...entries].map(({ path, value, type, revision }) => [path, value, type, revision]),
    ),
    maps: [...maps],
    outbox,
  };
}

export function byPath(rows: readonly (readonly unknown[])[]): readonly (readonly unknown[])[] {
  return rows.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1));
}

export function paths(rows: readonly (readonly unknown[])[]): readonly unknown[] {
  return rows.map(([path]) => path);
}

export async function refused(deed: () => unknown): Promise<void> {
  try {
    await deed();
  } catch {
    return;
  }
  throw new Error('it should have failed');
}

export function same(found: unknown, expected: unknown): void {
  const [a, b] = [plain(found), plain(expected)];
  if (a !== b) throw new Error(`found ${a}, expected ${b}`);
}

/** Text of a value that does not depend on the order of keys. */
function plain(value: unknown): string {
  return JSON.stringify(value, ordered) ?? 'undefined';
}

function ordered(_: string, each: unknown): unknown {
  if (typeof each !== 'object' || each === null || Array.isArray(each)) return each;
  return Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
