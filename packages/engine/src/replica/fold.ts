import {
  type DeviceId,
  type EpochMs,
  isRefusal,
  jsonEquals,
  type Op,
  type OpId,
  type Path,
  type Refusal,
  refuse,
  type Request,
  type Seq,
  type ValueLimits,
} from '@holdfast/protocol';
import {
  type Change,
  decide,
  type DecideContext,
  decideTransaction,
  type Mutator,
  revisionAt,
  touches,
  type Tree,
} from '../data/index.ts';
import { type Act, actsOf, type Hears, looksEqual, modeBits, type Stamp, valueAt } from './act.ts';
import type { Commit } from './commits.ts';
import type { Ledger } from './ledger.ts';
import type { Sight } from './subscriptions.ts';
import { ancestorsOf, overlaps, pathsOf, TouchedPaths } from './touched.ts';

/** An own request as the view shows it. */
type Shown = {
  readonly request: Request;
  readonly createdAt: EpochMs;
  readonly touched: readonly Path[];
  /** As decided on the view, at revisions of its own; empty where it cannot be decided there now. */
  ops: readonly Op[];
  /** The leaves it changed. */
  leaves: readonly Path[];
  /** Collects the seqs of foreign ops that came before it on its paths. */
  readonly rebasedOver: Seq[];
};

/** An own request, and where to note what it is rebased over. */
export type Intention = {
  readonly opId: OpId;
  readonly request: Request;
  readonly createdAt: EpochMs;
  readonly rebasedOver: Seq[];
};

/** What a commit did at once: to the committed state, and to a view that is not the same tree. {@link Fold.refold} may add to it. */
export type Landing = { readonly committed: readonly Act[]; readonly view: readonly Act[] };

export type FoldConfig = {
  readonly deviceId: DeviceId;
  readonly hears: Hears;
  readonly ledger: Ledger | null;
  readonly mutate: Mutator | undefined;
};

/** Which guards are judged here. */
type Judges = NonNullable<DecideContext['judges']>;

// Steps of revisions between two seqs: an own, uncommitted op stands after all that is committed and before all that will be.
const step = 2 ** -20;
const bothModes = modeBits.all | modeBits.optimistic;

/** What the next refold is to tell of: who did something, the leaves that it may concern, and where all of that is. */
type Stale = {
  readonly acts: Act[];
  readonly leaves: Set<Path>;
  readonly touched: TouchedPaths;
};

/**
 * What a replica shows: `view = committed + own unanswered requests` (design.md, The replica).
 *
 * 1. Without shown requests, view and committed are one tree.
 * 2. Revisions in the view that are no integers are of own, unanswered requests; they exceed the cursor by less than 1.
 * 3. An op at none of the paths that shown requests touch changes both trees alike.
 * 4. After `refold`, the view is what deciding the shown requests on the committed state, in order, gives.
 */
export class Fold {
  readonly #config: FoldConfig;
  #committed: Tree;
  #view: Tree;
  #cursor: Seq;
  #steps = 0;
  readonly #shown = new Map<OpId, Shown>();
  readonly #touched = new TouchedPaths();
  #stale: Stale | null = null;
  limits: ValueLimits;

  constructor(config: FoldConfig, start: { tree: Tree; cursor: Seq; limits: ValueLimits }) {
    this.#config = config;
    this.#committed = start.tree;
    this.#view = start.tree;
    this.#cursor = start.cursor;
    this.limits = start.limits;
  }

  get committed(): Tree {
    return this.#committed;
  }

  get view(): Tree {
    return this.#view;
  }

  get cursor(): Seq {
    return this.#cursor;
  }

  /** Whether an own, unanswered request bears on the path. */
  touches(path: Path): boolean {
    return this.#touched.touches(path);
  }

  advance(cursor: Seq): void {
    if (cursor <= this.#cursor) return;
    this.#cursor = cursor;
    this.#steps = 0;
    this.#config.ledger?.touch();
  }

  /** Shows a new request, or refuses it where it cannot hold (stores.md §18 C8). */
  show(intention: Intention): readonly Act[] | Refusal {
    const { opId, request, createdAt, rebasedOver } = intention;
    const ops = this.#decide(intention, (path, revision) => this.#isKnown(path, revision));
    if (isRefusal(ops)) return ops;
    if (this.#view === this.#committed) this.#view = this.#committed.fork();
    const touched = touches(request);
    const shown: Shown = { request, createdAt, touched, ops, leaves: [], rebasedOver };
    this.#shown.set(opId, shown);
    this.#touched.add(shown.touched);
    return this.#showOps(shown, { own: true, committed: false, audience: bothModes });
  }

  /** Takes over a request of a former life; {@link refold} shows it as far as it can be. */
  adopt({ opId, request, createdAt, rebasedOver }: Intention): void {
    const touched = touches(request);
    const shown: Shown = { request, createdAt, touched, ops: [], leaves: [], rebasedOver };
    this.#shown.set(opId, shown);
    this.#touched.add(shown.touched);
    this.#spoil([]);
  }

  /** Stops showing a request: it was refused, or committed by other means than its echo. */
  withdraw(opId: OpId, why: { readonly refused: true } | { readonly seq: Seq }): void {
    const shown = this.#forget(opId);
    if (shown === undefined) return;
    const { acts } = this.#spoil(shown.leaves);
    const [seq, audience] = 'seq' in why ? [why.seq, modeBits.all] : [null, bothModes];
    for (const { path, op: name } of shown.ops) {
      const op = 'seq' in why ? name : 'refused';
      acts.push({ path, op, seq, own: true, audience, previous: undefined, changes: [] });
    }
  }

  /** Applies a commit, `own` where it carries the id of a request of ours. The cursor is the caller's to advance. */
  land(commit: Commit, own: OpId | null): Landing {
    const shown = own === null ? undefined : this.#shown.get(own);
    if (own !== null && shown !== undefined) {
      const echo = this.#stale === null && this.#matchEcho(shown, { commit, own });
      if (echo) return { committed: this.#confirm(shown, { commit, own }), view: [] };
      this.#forget(own);
    }
    const stamp = { own: own !== null, committed: true, audience: modeBits.committed };
    const touching = commit.ops.filter((op) => pathsOf(op).some((path) => this.#entangles(path)));
    if (shown !== undefined || touching.length > 0) {
      const committed = this.#commit(commit.ops, stamp);
      this.#rebase(committed, shown?.leaves ?? []);
      if (own === null) this.#noteRebase(touching);
      return { committed, view: [] };
    }
    if (this.#view === this.#committed) {
      const audience = modeBits.all | modeBits.committed;
      return { committed: this.#commit(commit.ops, { ...stamp, audience }), view: [] };
    }
    const committed = this.#commit(commit.ops, stamp);
    const audience = modeBits.all;
    return { committed, view: this.#act(this.#view, commit.ops, { ...stamp, audience }) };
  }

  /** Computes the view anew after what changed under it, and tells how it differs from what was shown. */
  refold(): readonly Act[] {
    if (this.#stale === null) return [];
    const { stale, before } = { stale: this.#stale, before: this.#view };
    const leaves = new Set([...stale.leaves, ...this.#leaves()]);
    this.#rebuild();
    for (const path of this.#leaves()) leaves.add(path);
    const changes: Change[] = [];
    for (const path of leaves) {
      const change = { path, before: before.leaf(path), after: this.#view.leaf(path) };
      if (!looksEqual(change.before, change.after)) changes.push(change);
    }
    return changes.length === 0 ? [] : this.#attribute(stale.acts, changes, before);
  }

  #leaves(): readonly Path[] {
    return [...this.#shown.values()].flatMap(({ leaves }) => leaves);
  }

  /** The committed state was changed otherwise than by commits. */
  amended(acts: readonly Act[]): void {
    this.#config.ledger?.acts(acts);
    if (this.#view !== this.#committed) this.#rebase(acts, []);
  }

  /** Puts a snapshot in place of the committed state. */
  replace(tree: Tree, seq: Seq): { readonly before: Sight; readonly after: Sight } {
    const before = { committed: this.#committed, view: this.#view };
    this.#committed = tree;
    this.#cursor = seq;
    this.#rebuild();
    return { before, after: this.sight() };
  }

  /** Both states as they are now, whatever happens to them later. */
  sight(): Sight {
    const committed = this.#committed.fork();
    return { committed, view: this.#view === this.#committed ? committed : this.#view.fork() };
  }

  #commit(ops: readonly Op[], stamp: Stamp): readonly Act[] {
    const acts = this.#act(this.#committed, ops, stamp);
    this.#config.ledger?.acts(acts);
    return acts;
  }

  #act(tree: Tree, ops: readonly Op[], stamp: Stamp): readonly Act[] {
    return actsOf(tree, ops, { ...stamp, hears: this.#config.hears });
  }

  #forget(opId: OpId): Shown | undefined {
    const shown = this.#shown.get(opId);
    if (shown === undefined) return undefined;
    this.#shown.delete(opId);
    this.#touched.delete(shown.touched);
    return shown;
  }

  // Only the first request shown is known to stand on nothing but what is committed.
  #matchEcho(shown: Shown, { commit, own }: { commit: Commit; own: OpId }): boolean {
    const first = this.#shown.keys().next().value;
    if (first !== own || shown.ops.length !== commit.ops.length) return false;
    return commit.ops.every((op, index) => {
      const mine = shown.ops[index];
      return mine?.op === op.op && mine.path === op.path && jsonEquals(mine.value, op.value);
    });
  }

  /**
   * The echo is what was shown: the view keeps its values, and only what still stands as this request left it gets its
   * revision. The values of the echo are given up for those shown, so that readers see the same objects.
   */
  #confirm(shown: Shown, { commit, own }: { commit: Commit; own: OpId }): readonly Act[] {
    this.#forget(own);
    const seqs = new Map<Seq, Seq>();
    const ops = commit.ops.map((op, index) => {
      const mine = shown.ops[index] ?? op;
      seqs.set(mine.seq, op.seq);
      return { ...op, value: mine.value };
    });
    const acts = this.#commit(ops, { own: true, committed: true, audience: modeBits.committed });
    for (const path of shown.leaves) {
      const leaf = this.#view.leaf(path);
      const revision = leaf && seqs.get(leaf.revision);
      if (leaf !== undefined && revision !== undefined) this.#view.put(path, { ...leaf, revision });
    }
    for (const { path } of ops) this.#reviseMaps(path);
    if (this.#shown.size === 0) this.#committed = this.#view;
    return acts;
  }

  /** Gives the maps above a path, in the view, the revisions they have by now. */
  #reviseMaps(path: Path): void {
    for (const map of ancestorsOf(path)) {
      const revision = this.#committed.mapRevision(map);
      const shown = this.#view.mapRevision(map);
      if (revision === undefined || shown === undefined || revision <= shown) continue;
      this.#view.load([], [[map, revision]]);
    }
  }

  /** What shows only with the next refold holds back what comes after it at the same place: a path keeps its order. */
  #entangles(path: Path): boolean {
    return this.touches(path) || this.#stale?.touched.touches(path) === true;
  }

  #spoil(leaves: readonly Path[]): Stale {
    this.#stale ??= { acts: [], leaves: new Set(), touched: new TouchedPaths() };
    for (const path of leaves) this.#stale.leaves.add(path);
    this.#stale.touched.add(leaves);
    return this.#stale;
  }

  #rebase(acts: readonly Act[], leaves: readonly Path[]): void {
    const stale = this.#spoil(leaves);
    for (const act of acts) {
      for (const { path } of act.changes) stale.leaves.add(path);
      stale.acts.push({ ...act, audience: modeBits.all });
      stale.touched.add([act.path]);
    }
  }

  #noteRebase(ops: readonly Op[]): void {
    for (const op of ops) {
      const paths = pathsOf(op);
      for (const { touched, rebasedOver } of this.#shown.values()) {
        const isMet = touched.some((mine) => paths.some((path) => overlaps(mine, path)));
        if (isMet) rebasedOver.push(op.seq);
      }
    }
  }

  #rebuild(): void {
    this.#stale = null;
    this.#steps = 0;
    this.#view = this.#shown.size === 0 ? this.#committed : this.#committed.fork();
    const stamp = { own: true, committed: false, audience: 0 };
    for (const [opId, shown] of this.#shown) {
      const ops = this.#decide({ ...shown, opId }, () => false);
      // What cannot be decided here and now shows nothing until the server has answered.
      shown.ops = isRefusal(ops) ? [] : ops;
      this.#showOps(shown, stamp);
    }
  }

  #showOps(shown: Shown, stamp: Stamp): readonly Act[] {
    const acts = this.#act(this.#view, shown.ops, stamp);
    shown.leaves = acts.flatMap(({ changes }) => changes.map(({ path }) => path));
    return acts;
  }

  #decide(
    { opId, request, createdAt }: Omit<Intention, 'rebasedOver'>,
    judges: Judges,
  ): readonly Op[] | Refusal {
    const context: DecideContext = {
      head: this.#cursor + 1,
      deviceId: this.#config.deviceId,
      opId,
      principal: null,
      at: createdAt,
      judges,
      limits: this.limits,
      ...(this.#config.mutate && { mutate: this.#config.mutate }),
    };
    const decision =
      request.op === 'transact'
        ? decideTransaction(this.#view, request, context)
        : decide(this.#view, request, context);
    if (isRefusal(decision)) return decision;
    if (this.#steps + decision.ops.length >= 1 / step) return refuse('overloaded');
    return decision.ops.map((op) => this.#unsettled(op));
  }

  /**
   * Whether a guard can be judged here: own unanswered requests do not touch its path, as their revisions are not known
   * yet, and it expects no revision that is newer than ours. Fences, and what leases forbid, only the authority knows.
   */
  #isKnown(path: Path, revision: Seq): boolean {
    if (this.touches(path)) return false;
    return revision === 0 || revision <= (revisionAt(this.#view, path) ?? 0);
  }

  /** An op of our own as it stands in the view: at the next revision between two seqs. */
  #unsettled(op: Op): Op {
    this.#steps++;
    return { ...op, seq: this.#cursor + this.#steps * step };
  }

  /** Says by which op each difference came about: the ops of the stale acts, and for the rest a change of our own. */
  #attribute(stale: readonly Act[], changes: readonly Change[], before: Tree): readonly Act[] {
    const byPath = new Map<Path, { act: Act; changes: Change[] }>();
    for (const act of stale) {
      byPath.delete(act.path);
      byPath.set(act.path, { act, changes: [] });
    }
    const strays: Act[] = [];
    for (const change of changes) {
      const { path, after } = change;
      const above = [path, ...ancestorsOf(path)].flatMap((each) => byPath.get(each) ?? []);
      for (const each of above) each.changes.push(change);
      if (above.length > 0) continue;
      const op = after === undefined ? 'delete' : 'set';
      const previous = change.before?.value;
      const audience = modeBits.all;
      strays.push({ path, op, seq: null, own: true, audience, previous, changes: [change] });
    }
    const acts: Act[] = [];
    for (const { act, changes: caused } of byPath.values()) {
      const previous = valueAt(before, act.path, this.#config.hears);
      if (caused.length > 0) acts.push({ ...act, previous, changes: caused });
    }
    return [...acts, ...strays];
  }
}
