import {
  asPath,
  comparePaths,
  defaultLimits,
  type Entry,
  type Fence,
  isRefusal,
  type Json,
  type Leaf,
  type Op,
  type Path,
  renderPath,
  type Write,
} from '@holdfast/protocol';
import {
  apply,
  type Change,
  decide,
  eachMap,
  type MapRow,
  type DecideContext,
  leaseRules,
  type Range,
  Tree,
} from '@holdfast/engine/data';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ancestors, isBelow, judge, judgeGuards, leaseAt, Model, type Verdict } from './model.ts';

const nasty = [
  'a',
  'A',
  'a-',
  'a/b',
  '~',
  '~1',
  '%',
  '_',
  '*',
  '__proto__',
  'é',
  '\uFF5E',
  '😀',
  'a!',
  '0',
  '**',
  'constructor',
  'e\u0301',
  '\u2028',
];

/** Raw numbers, which a history turns into requests at its current state. */
const step = fc.record({
  kind: fc.nat(23),
  path: fc.array(fc.nat(3), { minLength: 1, maxLength: 3 }),
  other: fc.array(fc.nat(3), { minLength: 1, maxLength: 3 }),
  value: fc.nat(16),
  guard: fc.nat(9),
});
type Step = { kind: number; path: number[]; other: number[]; value: number; guard: number };

const histories = fc.record({
  segments: fc.shuffledSubarray(nasty, { minLength: 4, maxLength: 4 }),
  steps: fc.array(step, { minLength: 1, maxLength: 14 }),
});

type Match = { readonly ifMatch?: number; readonly fence?: Fence };

type Kept = { readonly tree: Tree; readonly entries: string; readonly maps: string };

/** One store under a random history: the tree under test beside the model. */
class History {
  tree = Tree.empty();
  readonly model = new Model();
  readonly log: Op[] = [];
  readonly shadow = new Map<Path, Leaf>();
  readonly rows = new Map<Path, number>();
  readonly kept: Kept[] = [];
  readonly #segments: readonly string[];
  #at = 1000;

  constructor(segments: readonly string[]) {
    this.#segments = segments;
  }

  run(steps: readonly Step[]): void {
    const rest = [...steps];
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
      this.#at += 10;
      if (next.kind >= 22) this.#keep(next.guard % 2 === 0);
      else if (next.kind < 20) this.#write(this.request(next));
      else this.#transact(rest.splice(0, 1 + (next.value % 4)));
      this.#checkReads(next);
    }
  }

  path(numbers: readonly number[]): Path {
    return renderPath(numbers.map((number) => this.#segments[number] ?? 'a'));
  }

  request(from: Step): Write {
    const path = this.path(from.path);
    const value = this.#value(from.value);
    const fence = this.#fence(from);
    if (from.kind < 6) return { op: 'set', path, value, ...this.#guards(from, path) };
    if (from.kind < 9) return { op: 'delete', path, ...this.#match(from, path) };
    if (from.kind < 12) return { op: 'merge', path, value: this.#mapValue(from.value), ...fence };
    if (from.kind < 14) return { op: 'increment', path, value: from.value - 4, ...fence };
    if (from.kind < 16) return { op: 'add', path, value: value ?? 1, ...fence };
    return from.kind === 16 ? { op: 'remove', path, value: value ?? 1 } : this.#lease(from, path);
  }

  #lease({ kind }: Step, path: Path): Write {
    const token = leaseAt(this.model, path)?.token ?? 1;
    if (kind === 17) return { op: 'lease', path, ttlMs: 25, holder: null };
    return kind === 18 ? { op: 'renew', path, ttlMs: 25, token } : { op: 'release', path, token };
  }

  #value(number: number): Json {
    const [a = '', b = ''] = this.#segments;
    const table: readonly Json[] = [
      0,
      'x',
      null,
      {},
      [1, { [a]: 2 }, 1],
      1.5,
      true,
      { _type: 'decimal', _typed: '1.0' },
      { [a]: 1 },
      { [a]: { [b]: 2 } },
      { [b]: {}, [a]: [1] },
      { [a]: { [a]: 1, [b]: { _type: 'bigint', _typed: '7' } }, [b]: 's' },
      [],
      { [a]: 1, [b]: 1 },
      [{ [a]: 1, [b]: 2 }, { [b]: 2, [a]: 1 }, 1],
      { [b]: 1, [a]: 1 },
      '\0',
    ];
    return table[number] ?? null;
  }

  #mapValue(number: number): { readonly [key: string]: Json } {
    const [a = '', b = ''] = this.#segments;
    return number === 0 ? {} : { [a]: this.#value(number), [b]: this.#value((number + 5) % 17) };
  }

  #guards(from: Step, path: Path): Match | { readonly ifAbsent: true } {
    return from.guard === 7 ? { ifAbsent: true } : this.#match(from, path);
  }

  #match(from: Step, path: Path): Match {
    if (from.guard === 4) return { ifMatch: this.model.revision(path) ?? 0 };
    if (from.guard === 5) return { ifMatch: Math.max(0, this.log.length - 1) };
    return this.#fence(from);
  }

  #fence(from: Step): { readonly fence?: Fence } {
    const leases = [...this.model.leaves.keys()].flatMap((key) => {
      const lease = leaseAt(this.model, key);
      return lease === undefined ? [] : [{ key, token: lease.token }];
    });
    const fence = leases[from.value % Math.max(1, leases.length)];
    if (fence === undefined || from.guard > 2) return {};
    return { fence: from.guard === 2 ? { ...fence, token: fence.token + 1 } : fence };
  }

  #context(): DecideContext {
    return {
      head: this.log.length,
      deviceId: 'd',
      opId: 'id',
      principal: 'p',
      at: this.#at,
      leases: leaseRules((_path, lease) => this.#at < lease.expires_at),
      limits: defaultLimits,
    };
  }

  #write(write: Write): void {
    const now = { head: this.log.length, at: this.#at, fences: [] };
    const verdict = judgeGuards(this.model, write, this.#at) ?? judge(this.model, write, now);
    const decision = decide(this.tree, write, this.#context());
    if (isRefusal(decision)) expect(decision.code).toBe(verdict);
    else this.#commit(decision.ops, verdict);
  }

  #transact(steps: readonly Step[]): void {
    const ops = steps.filter(({ kind }) => kind < 20).map((each) => this.request(each));
    if (ops.length === 0) return;
    const verdict = this.#judgeAll(ops);
    const before = JSON.stringify([...this.tree.entries()]);
    const decision = decide(this.tree, { op: 'transact', ops, preconditions: [] }, this.#context());
    expect(JSON.stringify([...this.tree.entries()])).toBe(before);
    if (isRefusal(decision)) {
      expect([decision.code, decision.details['op_index']]).toEqual(verdict);
    } else {
      expect(decision.result).toMatchObject({ results: { length: ops.length } });
      this.#commit(decision.ops, verdict);
    }
  }

  /** The ops of all, or the reason and index of the first refusal. */
  #judgeAll(ops: readonly Write[]): Verdict | [string, number] {
    for (const [index, write] of ops.entries()) {
      const reason = judgeGuards(this.model, write, this.#at);
      if (reason !== null) return [reason, index];
    }
    const draft = new Model(this.model);
    const all: Exclude<Verdict, string | null> = [];
    for (const [index, write] of ops.entries()) {
      const head = this.log.length + all.length;
      const verdict = judge(draft, write, { head, at: this.#at, fences: [] });
      if (typeof verdict === 'string' || verdict === null) return [verdict ?? 'not_held', index];
      for (const [op, path, value] of verdict) {
        all.push([op, path, value]);
        draft.apply(record(op, path, { value, seq: this.log.length + all.length }));
      }
    }
    return all;
  }

  #commit(ops: readonly Op[], verdict: Verdict | [string, number]): void {
    expect(ops.length === 0 ? null : ops.map(({ op, path, value }) => [op, path, value])).toEqual(
      verdict,
    );
    const last = this.log.length + ops.length;
    for (const op of ops) {
      expect([op.seq, op.tx]).toEqual([this.log.length + 1, ops.length > 1 ? last : null]);
      this.log.push(op);
      this.#applyOne(op);
    }
  }

  #applyOne(op: Op): void {
    const objects = new Map(
      [...this.model.maps.keys()].map((path) => [path, this.tree.read(path)?.value]),
    );
    const changes: Change[] = [];
    const rows: MapRow[] = [];
    apply(this.tree, op, {
      leaf: (change) => void changes.push(change),
      map: (row) => void rows.push(row),
    });
    this.model.apply(op);
    for (const { path, before, after } of changes) {
      expect(before).toEqual(this.shadow.get(path));
      if (after === undefined) this.shadow.delete(path);
      else this.shadow.set(path, after);
    }
    expect(new Set(changes.map(({ path }) => path)).size).toBe(changes.length);
    expect(new Set(rows.map(([path]) => path)).size).toBe(rows.length);
    for (const [path, seq] of rows) {
      if (seq === null) expect(this.rows.delete(path)).toBe(true);
      else this.rows.set(path, seq);
    }
    const altered = changes.filter(({ before, after }) => before?.value !== after?.value);
    for (const [path, object] of objects) {
      const isSame = altered.every((change) => !isBelow(change.path, path));
      if (isSame && this.model.maps.has(path)) expect(this.tree.read(path)?.value).toBe(object);
    }
    this.#checkState();
  }

  #checkState(): void {
    const sorted = this.model.sorted();
    const entries = [...this.tree.entries()];
    expect(entries.map(({ path }) => path)).toEqual(sorted);
    expect(entries).toEqual(sorted.map((path) => ({ path, ...this.model.leaves.get(path) })));
    expect(this.tree.size).toBe(sorted.length);
    for (const path of sorted) {
      expect(ancestors(path).some((above) => this.model.leaves.has(above))).toBe(false);
    }
    expect(new Map(this.tree.maps())).toEqual(new Map(this.model.hollow()));
    expect([...eachMap(this.tree)]).toEqual(this.tree.maps());
    expect(this.rows).toEqual(new Map(this.model.hollow()));
    expect(this.shadow).toEqual(this.model.leaves);
  }

  #checkReads(from: Step): void {
    for (const path of [this.path(from.path), this.path(from.other)]) {
      expect(this.tree.read(path)).toEqual(this.model.read(path));
      expect(this.tree.leaf(path)).toEqual(this.model.leaves.get(path));
      expect(this.tree.mapRevision(path)).toBe(this.model.maps.get(path));
      expect(this.tree.hasBelow(path)).toBe(this.model.hasBelow(path));
      expect(this.tree.count(path)).toBe(this.model.under(path).length);
      expect(this.tree.leafAbove(path)).toBe(
        ancestors(path).find((above) => this.model.leaves.has(above)),
      );
    }
    this.#checkRange({
      ...(from.value < 5 && { under: this.path(from.other.slice(0, 1)) }),
      ...(from.guard < 3 && { after: this.path(from.path) }),
      ...(from.guard > 6 && { from: this.path(from.path) }),
      ...(from.kind < 8 && { before: this.path(from.other) }),
      order: from.value % 2 === 0 ? 'asc' : 'desc',
    });
  }

  #checkRange(range: Range): void {
    const { under, from, after, before, order } = range;
    const expected = this.model
      .sorted()
      .filter(
        (path) =>
          (under === undefined || path === under || isBelow(path, under)) &&
          (from === undefined || comparePaths(path, from) >= 0) &&
          (after === undefined || comparePaths(path, after) > 0) &&
          (before === undefined || comparePaths(path, before) < 0),
      );
    const found = [...this.tree.entries(range)].map(({ path }) => path);
    expect(found).toEqual(order === 'desc' ? expected.toReversed() : expected);
  }

  /** Takes a fork; whichever of the two goes on, the other must stay as it is. */
  #keep(goesOn: boolean): void {
    const fork = this.tree.fork();
    const still = goesOn ? fork : this.tree;
    if (!goesOn) this.tree = fork;
    this.kept.push({ tree: still, ...picture(still) });
  }
}

function picture(tree: Tree): { readonly entries: string; readonly maps: string } {
  const objects = [...tree.entries()].map(({ path }) =>
    tree.read(asPath(path.split('/')[0] ?? '')),
  );
  return {
    entries: JSON.stringify([...tree.entries(), objects, tree.size]),
    maps: JSON.stringify(tree.maps()),
  };
}

function record(
  op: Op['op'],
  path: Path,
  rest: { readonly value: Json; readonly seq: number },
): Op {
  const fixed = { arg: null, deviceId: 'd', clientOpId: 'id', tx: null, at: 0, principal: null };
  return { op, path, ...rest, ...fixed };
}

function entriesOf(tree: Tree): readonly Entry[] {
  return [...tree.entries()];
}

describe('Any history', () => {
  test('S34 agrees, op by op, with a plain map of leaves, and so does each way to rebuild it', () => {
    fc.assert(
      fc.property(histories, ({ segments, steps }) => {
        const history = new History(segments);
        history.run(steps);
        for (const { tree, ...before } of history.kept) expect(picture(tree)).toEqual(before);

        const replica = Tree.empty();
        const exact = new Model();
        for (const op of history.log) {
          apply(replica, op);
          exact.apply(op, true);
        }
        expect(entriesOf(replica)).toEqual(entriesOf(history.tree));
        expect(replica.maps()).toEqual(history.tree.maps());
        expect(exact.leaves).toEqual(history.model.leaves);

        const loaded = Tree.empty();
        const entries = entriesOf(history.tree);
        const half = entries.length >> 1;
        const rows = history.tree.maps();
        loaded.load(entries.slice(0, half), rows.slice(1));
        loaded.load(entries.slice(half), rows.slice(0, 1));
        expect(loaded.maps()).toEqual(rows);
        for (const [path, revision] of history.model.maps) {
          expect(loaded.mapRevision(path)).toBe(revision);
        }
      }),
      { numRuns: 10_000 },
    );
  }, 300_000);
});
