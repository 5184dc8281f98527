import {
  asPath,
  defaultLimits,
  type Entry,
  isRefusal,
  type Json,
  type Op,
  type Path,
  utf8Length,
  type Write,
} from '@holdfast/protocol';
import {
  apply,
  decide,
  type DecideContext,
  type Decision,
  decideRollback,
  leaseRules,
  Span,
  Tree,
} from '@holdfast/engine/data';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

type Logged = Op & { readonly removed: readonly Entry[] };

/** What is made part by part, at once. */
function whole<T>(parts: Generator<void, T, undefined>): T {
  for (;;) {
    const part = parts.next();
    if (part.done === true) return part.value;
  }
}

/** A store that keeps its log, and every state it went through. */
class Recorded {
  readonly tree = Tree.empty();
  readonly log: Logged[] = [];
  readonly states: (readonly Entry[])[] = [[]];
  at = 1000;

  write(write: Write): void {
    const decision = decide(this.tree, write, this.context());
    if (!isRefusal(decision)) this.commit(decision);
  }

  commit({ ops }: Decision): void {
    for (const op of ops) {
      const removed: Entry[] = [];
      apply(this.tree, op, {
        leaf: ({ path, before }) => {
          if (before !== undefined) removed.push({ path, ...before });
        },
        map: () => undefined,
      });
      this.log.push({ ...op, removed });
      this.states.push([...this.tree.entries()]);
    }
  }

  /** The state at a seq, from the state now and the log between. */
  stateAt(seq: number): Tree {
    const tree = this.tree.fork();
    this.span(seq).rewind(tree);
    return tree;
  }

  span(from: number, to: number = this.log.length): Span {
    const span = new Span();
    for (const op of this.log.slice(from, to)) span.take(op);
    return span;
  }

  rollback(toSeq: number, path: string | null = null) {
    const request = {
      op: 'rollback',
      path: path === null ? null : asPath(path),
      toSeq,
      target: this.stateAt(toSeq),
    } as const;
    const decision = decideRollback(this.tree, request, this.context());
    if (!isRefusal(decision)) this.commit(decision);
    return decision;
  }

  context(): DecideContext {
    return {
      head: this.log.length,
      deviceId: 'd',
      opId: 'id',
      principal: 'ann',
      at: this.at,
      leases: leaseRules((_path, { expires_at }) => this.at < expires_at),
      limits: defaultLimits,
    };
  }
}

const segment = fc.constantFrom('a', 'b', 'a-b', '__proto__');
const path = fc
  .array(segment, { minLength: 1, maxLength: 3 })
  .map((segments) => asPath(segments.join('/')));
const leaf = fc.constantFrom<Json>(null, 0, 'x', {}, [1, 2], true);
const value = fc.oneof(
  leaf,
  fc.dictionary(segment, leaf, { maxKeys: 2 }),
  fc.dictionary(segment, fc.dictionary(segment, leaf, { maxKeys: 2 }), { maxKeys: 2 }),
);
const map = fc.dictionary(segment, leaf, { maxKeys: 2 });
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ op: fc.constant('set' as const), path, value }),
  fc.record({ op: fc.constant('delete' as const), path }),
  fc.record({ op: fc.constant('merge' as const), path, value: map }),
  fc.record({ op: fc.constant('increment' as const), path, value: fc.integer({ max: 9 }) }),
  fc.record({ op: fc.constant('add' as const), path, value: fc.constantFrom('m', 'n') }),
  fc.record({ op: fc.constant('remove' as const), path, value: fc.constantFrom('m', 'n') }),
);
const histories = fc.array(write, { minLength: 1, maxLength: 25 });

function recorded(writes: readonly Write[]): Recorded {
  const store = new Recorded();
  for (const each of writes) store.write(each);
  return store;
}

/** What is shown, without when it was written. */
const shown = (entries: Iterable<Entry>) =>
  [...entries].map(({ path: at, value: what, type }) => [at, type, what]);

describe('the past of a store', () => {
  test('S93 the state at every seq is the one that was there then, revisions included', () => {
    fc.assert(
      fc.property(histories, (writes) => {
        const store = recorded(writes);
        for (const [seq, state] of store.states.entries()) {
          expect([...store.stateAt(seq).entries()]).toEqual(state);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('S90 a diff names the leaves that differ, with what they were and are, and none else', () => {
    fc.assert(
      fc.property(histories, fc.nat(), fc.nat(), (writes, one, other) => {
        const store = recorded(writes);
        const [from = 0, to = 0] = [one, other]
          .map((seq) => seq % store.states.length)
          .toSorted((a, b) => a - b);
        const before = new Map(store.states[from]?.map((entry) => [entry.path, entry]));
        const after = new Map(store.states[to]?.map((entry) => [entry.path, entry]));
        const differs = (at: Path) =>
          JSON.stringify(shown(take(before, at))) !== JSON.stringify(shown(take(after, at)));
        const expected = [...new Set([...before.keys(), ...after.keys()])].filter(differs);
        const changes = whole(store.span(from, to).changing());
        expect(new Set(changes.map((change) => change.path))).toEqual(new Set(expected));
        for (const change of changes) {
          expect(change.before?.value).toEqual(before.get(change.path)?.value);
          expect(change.after?.type).toEqual(after.get(change.path)?.type);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('S92 after a rollback of the store its state is the historical one, in one commit', () => {
    fc.assert(
      fc.property(histories, fc.nat(), (writes, at) => {
        const store = recorded(writes);
        const toSeq = at % store.states.length;
        const head = store.log.length;
        const decision = store.rollback(toSeq);
        expect(shown(store.tree.entries())).toEqual(shown(store.states[toSeq] ?? []));
        const ops = store.log.slice(head);
        expect(decision).toMatchObject({
          result: { ops_written: ops.length, store_seq: store.log.length },
        });
        expect(new Set(ops.map(({ tx }) => tx)).size).toBeLessThanOrEqual(1);
        const firstKept = ops.findIndex(({ op }) => op !== 'delete');
        expect(
          ops.slice(Math.max(0, firstKept)).every(({ op }) => op !== 'delete') || firstKept === -1,
        ).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('S91 a rollback of a path changes what is there and below, and nothing else', () => {
    fc.assert(
      fc.property(histories, fc.nat(), path, (writes, at, under) => {
        const store = recorded(writes);
        const toSeq = at % store.states.length;
        const inside = ([each]: readonly unknown[]) =>
          each === under || String(each).startsWith(`${under}/`);
        const wanted = shown(store.states[toSeq] ?? []).filter(inside);
        const others = shown(store.tree.entries()).filter((entry) => !inside(entry));
        const above = store.tree.leafAbove(under);
        const head = store.log.length;
        store.rollback(toSeq, under);
        const now = shown(store.tree.entries());
        expect(now.filter(inside)).toEqual(wanted);
        // A leaf above cannot stay beside what comes back below it, and the log says so (stores.md §4.3.1).
        const displaced = wanted.length > 0 ? above : undefined;
        const [first] = store.log.slice(head);
        if (displaced !== undefined) {
          expect(first).toMatchObject({ op: 'delete', path: displaced });
        }
        expect(now.filter((entry) => !inside(entry))).toEqual(
          others.filter(([each]) => each !== displaced),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('S91 a leaf in whose place a map comes back is deleted first, by an op that says so', () => {
    const store = recorded([
      { op: 'set', path: asPath('a/b'), value: 1 },
      { op: 'set', path: asPath('a'), value: 2 },
    ]);
    store.rollback(1, 'a/b');
    expect(store.log.slice(-2)).toMatchObject([
      { op: 'delete', path: 'a', clientOpId: 'rollback:1:a', tx: 5 },
      { op: 'set', path: 'a/b', value: 1, tx: 5 },
    ]);
  });

  test('S91 a rollback that finds nothing to do is a noop', () => {
    const store = recorded([{ op: 'set', path: asPath('a'), value: 1 }]);
    expect(store.rollback(1, 'a')).toEqual({ ops: [], result: { store_seq: 1, noop: true } });
    expect(store.rollback(1)).toEqual({ ops: [], result: { store_seq: 1, ops_written: 0 } });
  });

  test('S92 live leases stay, historical ones do not return, and one in the way is held', () => {
    const store = recorded([
      { op: 'set', path: asPath('job'), value: 1 },
      { op: 'lease', path: asPath('old'), ttlMs: 10, holder: null },
    ]);
    const then = store.log.length;
    store.at += 20;
    store.write({ op: 'release', path: asPath('old'), token: 2 });
    store.write({ op: 'delete', path: asPath('job') });
    store.write({ op: 'lease', path: asPath('job'), ttlMs: 100, holder: 'ann' });
    store.write({ op: 'lease', path: asPath('lock/a'), ttlMs: 100, holder: 'ann' });
    expect(store.rollback(then)).toMatchObject({ code: 'held', details: { holder: 'ann' } });
    store.at += 200;
    store.write({ op: 'lease', path: asPath('lock/a'), ttlMs: 100, holder: 'bob' });
    store.rollback(then);
    expect(shown(store.tree.entries()).map(([at]) => at)).toEqual(['job', 'lock/a']);
    expect(store.tree.leaf(asPath('job'))).toMatchObject({ value: 1, type: 'integer' });
  });

  test('counters come back as counters and sets as sets, by ops that say so', () => {
    const store = recorded([
      { op: 'increment', path: asPath('n'), value: 5 },
      { op: 'add', path: asPath('s'), value: 'x' },
      { op: 'delete', path: asPath('n') },
      { op: 'delete', path: asPath('s') },
    ]);
    store.rollback(2);
    expect(store.log.slice(-2).map(({ op, value: what }) => [op, what])).toEqual([
      ['increment', 5],
      ['add', ['x']],
    ]);
    expect(store.log.at(-1)).toMatchObject({
      deviceId: 'system:rollback',
      clientOpId: 'rollback:2:s',
      principal: 'ann',
    });
  });

  test('the id of an op that it makes is cut between characters, where it has the bytes of an op id', () => {
    const name = `${'a'.repeat(116)}😀`;
    const store = recorded([
      { op: 'set', path: asPath(name), value: 1 },
      { op: 'set', path: asPath('x'.repeat(200)), value: 1 },
      { op: 'delete', path: asPath(name) },
    ]);
    store.rollback(2);
    expect(store.log.at(-1)?.clientOpId).toBe(`rollback:2:${'a'.repeat(116)}`);
    store.rollback(0);
    const ids = store.log.slice(-2).map(({ clientOpId }) => utf8Length(clientOpId));
    expect(ids).toEqual([127, 128]);
  });
});

function take(entries: ReadonlyMap<Path, Entry>, at: Path): readonly Entry[] {
  const entry = entries.get(at);
  return entry === undefined ? [] : [entry];
}
