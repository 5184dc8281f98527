import {
  asPath,
  defaultLimits,
  type Entry,
  type EntryTuple,
  isRefusal,
  type Op,
  parentOf,
  type Path,
  type Refusal,
  type Write,
} from '@holdfast/protocol';
import {
  apply,
  decide,
  type DecideContext,
  decideRollback,
  leaseRules,
  sameLeaf,
  Span,
  Tree,
} from '@holdfast/engine/data';
import fc from 'fast-check';
import { expect, test } from 'vitest';

/** What is at a path, and of what kind, at which an op deletes or writes. */
type Step = readonly [kind: 'delete' | 'write', Path];

type States = { readonly tree: Tree; readonly target: Tree; readonly under: Path | null };

const isBelow = (path: Path, top: Path): boolean => path === top || path.startsWith(`${top}/`);
const isAround = (path: Path, other: Path): boolean => isBelow(path, other) || isBelow(other, path);

/** What a rollback is to do, by looking at every leaf of both states. */
function plainly(
  { tree, target, under }: States,
  isLive: (entry: Entry) => boolean,
): readonly Step[] | 'held' {
  const isInside = ({ path }: Entry): boolean => under === null || isBelow(path, under);
  const then = [...target.entries()].filter((each) => isInside(each) && each.type !== 'lease');
  const now = [...tree.entries()].filter(isInside);
  const live = [...tree.entries()].filter(isLive);
  if (then.some(({ path }) => live.some((lease) => isAround(path, lease.path)))) return 'held';
  const wanted = new Set(then.map(({ path }) => path));
  const kept = now.filter(
    (each) => each.type === 'lease' && (isLive(each) || sameLeaf(each, target.leaf(each.path))),
  );
  const above = under === null || then.length === 0 ? undefined : tree.leafAbove(under);
  const superfluous = now.filter((each) => !wanted.has(each.path) && !kept.includes(each));
  return [
    ...(above === undefined ? [] : [above]),
    ...topsOf(superfluous, [...then, ...kept], under),
  ]
    .map((path): Step => ['delete', path])
    .concat(
      then
        .filter((each) => !sameLeaf(tree.leaf(each.path), each))
        .map(({ path }): Step => ['write', path]),
    );
}

/** What is deleted so that leaves are gone: the highest maps around them, of which nothing stays. */
function topsOf(
  leaves: readonly Entry[],
  staying: readonly Entry[],
  under: Path | null,
): readonly Path[] {
  const stays = new Set<Path>();
  for (const { path } of staying) {
    for (let at: Path | null = path; at !== null; at = parentOf(at)) stays.add(at);
  }
  const tops: Path[] = [];
  for (const { path } of leaves) {
    let top = path;
    if (tops.some((each) => isBelow(path, each))) continue;
    for (
      let up = parentOf(top);
      up !== null && !stays.has(up) && top !== under;
      up = parentOf(top)
    ) {
      top = up;
    }
    tops.push(top);
  }
  return tops;
}

const segment = fc.constantFrom('a', 'b', 'a-b', 'c');
const path = fc
  .array(segment, { minLength: 1, maxLength: 3 })
  .map((segments) => asPath(segments.join('/')));
const leaf = fc.constantFrom(null, 0, 'x', [1, 2]);
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ op: fc.constant('set' as const), path, value: leaf }),
  fc.record({
    op: fc.constant('set' as const),
    path,
    value: fc.dictionary(segment, fc.dictionary(segment, leaf, { maxKeys: 3 }), { maxKeys: 3 }),
  }),
  fc.record({ op: fc.constant('delete' as const), path }),
  fc.record({
    op: fc.constant('lease' as const),
    path,
    ttlMs: fc.constantFrom(5, 1000),
    holder: fc.constant(null),
  }),
);

/** A store whose time goes on with each write; its state now, and the one before some of them. */
function made(writes: readonly Write[], back: number) {
  let tree = Tree.empty();
  let at = 0;
  const log: (Op & { removed: Entry[] })[] = [];
  const context = (): DecideContext => ({
    head: log.length,
    deviceId: 'd',
    opId: 'id',
    principal: null,
    at,
    leases: leaseRules((_path, { expires_at }) => at < expires_at),
    limits: defaultLimits,
  });
  for (const each of writes) {
    at += 3;
    // A state that is kept has the next one share what it can.
    tree = tree.fork();
    const decision = decide(tree, each, context());
    if (isRefusal(decision)) continue;
    for (const op of decision.ops) {
      const removed: Entry[] = [];
      apply(tree, op, {
        leaf: ({ path: gone, before }) => {
          if (before !== undefined) removed.push({ path: gone, ...before });
        },
        map: () => undefined,
      });
      log.push({ ...op, removed });
    }
  }
  const toSeq = back % (log.length + 1);
  const target = tree.fork();
  const span = new Span();
  for (const op of log.slice(toSeq)) span.take(op);
  span.rewind(target);
  const isLive = ({ type, value }: Entry): boolean =>
    type === 'lease' && at < Number(Object(value).expires_at);
  return { tree, target, toSeq, context: context(), isLive };
}

const stepsOf = (ops: readonly Op[]): readonly Step[] =>
  ops.map(({ op, path: to }) => [op === 'delete' ? 'delete' : 'write', to]);

test('a rollback does what looking at every leaf of both states comes to, whatever they share, leases included', () => {
  fc.assert(
    fc.property(
      fc.array(write, { minLength: 1, maxLength: 25 }),
      fc.nat(),
      fc.option(path),
      (writes, back, under) => {
        const { tree, target, toSeq, context, isLive } = made(writes, back);
        const expected = plainly({ tree, target, under }, isLive);
        const request = { op: 'rollback', path: under, toSeq } as const;
        const told = (given: Tree): readonly Step[] | Refusal['code'] => {
          const decision = decideRollback(tree, { ...request, target: given }, context);
          return isRefusal(decision) ? decision.code : stepsOf(decision.ops);
        };
        expect(told(target)).toEqual(expected);
        // A state that shares nothing with the one now comes to the same.
        const strange = Tree.empty();
        strange.load(target.entries());
        expect(told(strange)).toEqual(expected);
      },
    ),
    { numRuns: 1000 },
  );
});

test('a rollback of a large store looks at what has changed since, and not at all of it', () => {
  const paths = Array.from({ length: 50_000 }, (_, at) => `m${at % 50}/k${at}`).toSorted();
  let looks = 0;
  const rows = paths.map((each): EntryTuple => {
    const row: EntryTuple = [asPath(each), null, 'null', 1];
    // Leaves are made of rows where something near them is looked at.
    Object.defineProperty(row, 1, { get: () => ((looks += 1), null) });
    return row;
  });
  const tree = Tree.empty();
  tree.adopt(rows, []);
  const target = tree.fork();
  tree.put(asPath('m7/k7'), { value: 1, type: 'integer', revision: 2 });
  const request = { op: 'rollback', path: null, toSeq: 1, target } as const;
  const decision = decideRollback(tree, request, made([], 0).context);
  expect(isRefusal(decision) ? decision.code : stepsOf(decision.ops)).toEqual([['write', 'm7/k7']]);
  expect(looks).toBeLessThan(1000);
});
