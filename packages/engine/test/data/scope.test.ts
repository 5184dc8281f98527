import {
  asPath,
  covers,
  type Entry,
  isPlainObject,
  isRefusal,
  type Json,
  type Op,
  parseGlob,
  type Path,
  type Pattern,
  renderPath,
  segmentsOf,
  type Write,
} from '@holdfast/protocol';
import {
  apply,
  checkRules,
  countIn,
  entriesIn,
  MapRows,
  project,
  readIn,
  Scope,
  Tree,
} from '@holdfast/engine/data';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SmallStore } from './small-store.ts';

function glob(text: string): Pattern {
  const pattern = parseGlob(text);
  if (isRefusal(pattern)) throw new TypeError(`${text}: ${pattern.code}`);
  return pattern;
}

function scopeOf(...texts: string[]): Scope {
  return new Scope(texts.map(glob));
}

const segments = ['a', 'b', 'a-b', '*'] as const;
const part = fc.constantFrom('a', 'b', 'a-b', '*', '\\*', '**');
const globs = fc
  .array(part, { minLength: 1, maxLength: 4 })
  .map((parts) => parts.filter((each, i) => each !== '**' || i === parts.length - 1).join('/'))
  .filter((text) => text !== '');
const scopes = fc.array(globs, { maxLength: 4 }).map((texts) => scopeOf(...texts));
const paths = fc
  .array(fc.constantFrom(...segments), { minLength: 1, maxLength: 4 })
  .map((list): Path => renderPath(list));

/** Every path of the little world below and at a path. */
function world(path: Path, depth = 5 - segmentsOf(path).length): Path[] {
  if (depth === 0) return [path];
  return [path, ...segments.flatMap((each) => world(asPath(`${path}/${each}`), depth - 1))];
}

function inScope(scope: Scope, path: Path): boolean {
  return scope.patterns.some((pattern) => covers(pattern, segmentsOf(path)));
}

describe('A scope', () => {
  test('covers what one of its patterns covers', () => {
    fc.assert(
      fc.property(scopes, paths, (scope, path) => {
        expect(scope.covers(path)).toBe(inScope(scope, path));
      }),
    );
  });

  test('tells whether it covers all, or might cover something, at a path and below it', () => {
    fc.assert(
      fc.property(scopes, paths, (scope, path) => {
        const all = world(path);
        if (scope.coversSubtree(path)) expect(all.every((each) => inScope(scope, each))).toBe(true);
        expect(scope.reaches(path)).toBe(all.some((each) => inScope(scope, each)));
      }),
    );
    expect(scopeOf('a/**').coversSubtree(asPath('a'))).toBe(true);
    expect(scopeOf('a/*').coversSubtree(asPath('a'))).toBe(false);
  });

  test('within another is what both cover', () => {
    fc.assert(
      fc.property(scopes, scopes, paths, (one, other, path) => {
        const both = one.within(other);
        expect(both.covers(path)).toBe(one.covers(path) && other.covers(path));
        const reparsed = scopeOf(...both.patterns.map(({ source }) => source));
        expect(reparsed.covers(path)).toBe(both.covers(path));
      }),
    );
  });

  test('within another is the same where there are too many patterns to meet one by one', () => {
    const many = Array.from({ length: 1100 }, (_, i) => `z${i}`);
    fc.assert(
      fc.property(scopes, scopes, histories, (one, other, all) => {
        const crowd = new Scope([...one.patterns, ...many.map(glob)]);
        const [few, lots] = [one.within(other), crowd.within(other)];
        const { tree, log } = history(all);
        expect([...entriesIn(tree, lots)]).toEqual([...entriesIn(tree, few)]);
        expect(countIn(tree, lots)).toBe(countIn(tree, few));
        for (const { path } of log) {
          expect(lots.covers(path)).toBe(few.covers(path));
          expect(few.reaches(path) && !lots.reaches(path)).toBe(false);
          expect(lots.coversSubtree(path) && !few.coversSubtree(path)).toBe(false);
        }
        expect(log.map((op) => project(op, lots))).toEqual(log.map((op) => project(op, few)));
      }),
      { numRuns: 50 },
    );
  });

  test('meets a pattern if something may be covered by both', () => {
    const somewhere = segments.flatMap((each) => world(asPath(each)));
    fc.assert(
      fc.property(scopes, globs, (scope, text) => {
        const other = scopeOf(text);
        const shared = somewhere.some((path) => inScope(scope, path) && inScope(other, path));
        expect(scope.meets(glob(text))).toBe(shared);
      }),
    );
  });
});

const leaves = fc.constantFrom<Json>(1, 'x', null, true, [1], {});
const value = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    leaves,
    fc.dictionary(fc.constantFrom('a', 'b', 'a-b', '__proto__'), tie('value'), { maxKeys: 3 }),
  ),
})).value;
const writes: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ op: fc.constant('set' as const), path: paths, value }),
  fc.record({ op: fc.constant('set' as const), path: paths, value: leaves }),
  fc.record({ op: fc.constant('delete' as const), path: paths }),
  fc.record({ op: fc.constant('merge' as const), path: paths, value: value.filter(isPlainObject) }),
  fc.record({ op: fc.constant('increment' as const), path: paths, value: fc.constant(2) }),
  fc.record({ op: fc.constant('add' as const), path: paths, value: fc.constant('m') }),
);

type Logged = Op & { readonly removed: readonly Entry[] };

/** Commits writes, refused ones left out, and tells what each op removed. */
function history(all: readonly Write[]): { readonly log: readonly Logged[]; readonly tree: Tree } {
  const store = new SmallStore();
  for (const write of all) store.write(write);
  const tree = Tree.empty();
  const log = store.log.map((op) => {
    const removed: Entry[] = [];
    apply(tree, op, {
      leaf: ({ path, before }) => {
        if (before !== undefined) removed.push({ path, ...before });
      },
      map: () => undefined,
    });
    return Object.assign({}, op, { removed });
  });
  return { log, tree };
}

function visible(tree: Tree, scope: Scope): readonly Entry[] {
  return [...tree.entries()].filter(({ path }) => inScope(scope, path));
}

const histories = fc.array(writes, { maxLength: 12 });

describe('Projection', () => {
  test('S34 S102 S83 the projected log folds to what of the state is in scope, op by op', () => {
    fc.assert(
      fc.property(histories, scopes, (all, scope) => {
        const full = Tree.empty();
        const mine = Tree.empty();
        for (const op of history(all).log) {
          apply(full, op);
          const seen = project(op, scope);
          if (seen !== null) {
            expect(seen.seq).toBe(op.seq);
            apply(mine, seen);
          }
          expect([...mine.entries()]).toEqual(visible(full, scope));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('S83 it shows no path and no value that is out of scope, and nothing where nothing changes', () => {
    fc.assert(
      fc.property(histories, scopes, (all, scope) => {
        for (const op of history(all).log) {
          const seen = project(op, scope);
          if (seen === null) continue;
          const written = Tree.empty();
          if (seen.value !== null || seen.op === 'set') apply(written, seen);
          for (const { path } of written.entries()) expect(inScope(scope, path)).toBe(true);
          const touches = [...written.entries(), ...op.removed].some((e) => inScope(scope, e.path));
          expect(touches || inScope(scope, seen.path) || seen === op).toBe(true);
          expect(touches || scope.covers(seen.path) || scope.coversSubtree(seen.path)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test.each<[string, string[], readonly Write[], unknown]>([
    [
      'an object is stripped to the leaves in scope',
      ['t/1/**'],
      [{ op: 'set', path: asPath('t'), value: { 1: { a: 1 }, 2: { a: 2 } } }],
      ['set', 't', { 1: { a: 1 } }],
    ],
    [
      'an object of which nothing is left is a delete, where it removed something in scope',
      ['t/1/**'],
      [
        { op: 'set', path: asPath('t/1/a'), value: 1 },
        { op: 'set', path: asPath('t'), value: { 2: 2 } },
      ],
      ['delete', 't', null],
    ],
    [
      'and nothing, where it did not',
      ['t/1/**'],
      [{ op: 'set', path: asPath('t'), value: { 2: 2 } }],
      null,
    ],
    [
      'a delete that removed a leaf in scope is as it is',
      ['t/1/**'],
      [
        { op: 'set', path: asPath('t/1/a'), value: 1 },
        { op: 'delete', path: asPath('t') },
      ],
      ['delete', 't', null],
    ],
    [
      'a merge is stripped, to nothing at all',
      ['t/1/**'],
      [{ op: 'merge', path: asPath('t'), value: { 2: 2 } }],
      null,
    ],
  ])('S83 %s', (_, texts, all, expected) => {
    const last = history(all).log.at(-1);
    if (last === undefined) throw new Error('nothing was written');
    const seen = project(last, scopeOf(...texts));
    expect(seen && [seen.op, seen.path, seen.value]).toEqual(expected);
  });
});

describe('What is visible of a state', () => {
  test('S83 S102 are the leaves in scope in path order, each once, and their number', () => {
    fc.assert(
      fc.property(histories, scopes, (all, scope) => {
        const { tree } = history(all);
        const expected = visible(tree, scope);
        expect([...entriesIn(tree, scope)].filter((entry) => entry !== null)).toEqual(expected);
        expect(countIn(tree, scope)).toBe(expected.length);
        expect(countIn(tree, scope, { passedMax: 0 })).toBeGreaterThanOrEqual(expected.length);
      }),
    );
  });

  test('who asks whether enough leaves are visible has no more of them looked at', () => {
    const tree = Tree.empty();
    for (let n = 0; n < 1000; n += 1) {
      tree.put(asPath(`a/${n}/x`), { value: n, type: 'integer', revision: n + 1 });
    }
    let looks = 0;
    const look = (): boolean => (looks += 1) > 0;
    const bound = { name: 'seen', covers: look, coversSubtree: () => false, reaches: () => true };
    const scope = new Scope([glob('a/*/x'), glob('b/**')], [bound]);
    expect([countIn(tree, scope, { enough: 10 }), looks]).toEqual([10, 10]);
    expect(countIn(tree, scope, { enough: 1001 })).toBe(1000);
  });

  test('S102 the rows of maps are those of the maps that are in scope as a whole', () => {
    fc.assert(
      fc.property(histories, scopes, (all, scope) => {
        const { tree } = history(all);
        const rows = new MapRows(tree, scope);
        for (const entry of entriesIn(tree, scope)) if (entry !== null) rows.pass(entry);
        expect(rows.finish()).toEqual(tree.maps().filter(([path]) => scope.coversSubtree(path)));
      }),
    );
  });

  test('S102 a map is read as what is visible of it, at the greatest revision that is', () => {
    fc.assert(
      fc.property(histories, scopes, paths, (all, scope, path) => {
        const { tree } = history(all);
        const mine = Tree.empty();
        mine.load(visible(tree, scope));
        const read = readIn(tree, scope, path);
        expect(read?.value).toEqual(mine.read(path)?.value);
        if (!scope.coversSubtree(path)) expect(read).toEqual(mine.read(path));
      }),
    );
  });
});

describe('Path rules', () => {
  test('S102 allow exactly what writes and removes nothing but writable leaves', () => {
    fc.assert(
      fc.property(histories, writes, scopes, (all, write, scope) => {
        const store = new SmallStore();
        for (const each of all) store.write(each);
        const grants = { read: scopeOf('**'), write: scope };
        const refusal = checkRules({ tree: store.tree, grants }, write);
        const before = store.tree.fork();
        const known = store.log.length;
        if (isRefusal(store.write(write))) return;
        const touched: Path[] = [];
        for (const op of store.log.slice(known)) {
          apply(before, op, { leaf: ({ path }) => void touched.push(path), map: () => undefined });
        }
        if (touched.length === 0) touched.push(write.path);
        expect(refusal === null).toBe(touched.every((path) => inScope(scope, path)));
        if (refusal !== null) expect(refusal.details).toMatchObject({ path: write.path });
      }),
      { numRuns: 500 },
    );
  });
});
