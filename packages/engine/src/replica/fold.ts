import {
  isRefusal,
  type Json,
  type Op,
  type Path,
  type Refusal,
  refuse,
  type RequestLimits,
  type Seq,
  type WireOp,
} from '@holdfast/protocol';
import {
  apply,
  type Change,
  decide,
  type DecideContext,
  revisionAt,
  targets,
  touches,
  type Tree,
} from '../data/index.ts';
import { type Act, attributed, looksEqual, modeBits, type Stamp } from './act.ts';
import { type Commit, isEcho } from './commits.ts';
import { type ReplicaConfig, treeOf } from './config.ts';
import type { Ledger } from './ledger.ts';
import type { Pending } from './pending.ts';
import { isCommittedBy, othersAt, pathsOf } from './replaced.ts';
import { Stale } from './stale.ts';
import type { Sight, Subscriptions } from './subscriptions.ts';
import { ancestorsOf, overlaps, TouchedPaths } from './touched.ts';

/** What it begins with, and who hears of what it does. */
type Base = {
  readonly config: ReplicaConfig;
  readonly ledger: Ledger | null;
  readonly subscriptions: Subscriptions;
};

/** Which guards are judged here. */
type Judges = NonNullable<DecideContext['judges']>;

// Steps of revisions between two seqs: an own, uncommitted op stands after all that is committed and before all that will be.
const step = 2 ** -20;
const ownStamp: Stamp = { own: true, audience: modeBits.all | modeBits.optimistic };

/**
 * What a replica shows: `view = committed + own unanswered requests` (design.md, The replica). Tells subscribers of each
 * change.
 *
 * 1. Without shown requests, view and committed are one tree.
 * 2. Revisions in the view that are no integers are of own, unanswered requests; they exceed the cursor by less than 1.
 * 3. An op at none of the paths that shown requests touch changes both trees alike.
 * 4. After `refold`, the view is what deciding the shown requests on the committed state, in order, gives.
 */
export class Fold {
  readonly #parts: Base;
  #committed: Tree;
  #view: Tree;
  #cursor: Seq;
  #steps = 0;
  /** In order. */
  readonly #shown = new Set<Pending>();
  readonly #touched = new TouchedPaths<Pending>();
  #stale: Stale | null = null;
  limits: RequestLimits;

  constructor(parts: Base) {
    const { config } = parts;
    this.#parts = parts;
    this.#committed = treeOf(config);
    this.#view = this.#committed;
    this.#cursor = config.image?.seq ?? 0;
    this.limits = config.limits;
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
    this.#parts.ledger?.touch();
  }

  /** Shows a new request, or refuses it where it cannot hold (stores.md §18 C8). */
  show(pending: Pending): Refusal | null {
    const ops = this.#decide(pending, (path, revision) => this.#isKnown(path, revision));
    if (isRefusal(ops)) return ops;
    if (this.#view === this.#committed) this.#view = this.#committed.fork();
    this.adopt(pending);
    pending.ops = ops;
    this.#announce(this.#showOps(pending), this.#view);
    return null;
  }

  /** Takes over a request of a former life; {@link rebuild} shows it as far as it can be. */
  adopt(pending: Pending): void {
    pending.touched = touches(pending.request);
    this.#shown.add(pending);
    this.#touched.add(pending.touched, pending);
  }

  /** Stops showing a request: it was refused, or committed at a seq by other means than its echo. */
  withdraw(shown: Pending, seq: Seq | null): void {
    if (!this.#forget(shown)) return;
    const { acts } = this.#rebase([], shown);
    const stamp = seq === null ? ownStamp : { own: true, audience: modeBits.all };
    for (const { path, op: name } of shown.ops) {
      const op = seq === null ? 'refused' : name;
      acts.push({ ...stamp, path, op, seq, previous: undefined, changes: [] });
    }
  }

  /** Applies a commit, `shown` where it is of a request of ours. The cursor is the caller's to advance. */
  land({ ops }: Commit, shown: Pending | undefined): void {
    // Only the first request shown is known to stand on nothing but what is committed.
    const [first] = this.#shown;
    if (shown === undefined || !this.#forget(shown)) return this.#merge(ops, shown !== undefined);
    if (shown === first && this.#stale === null && isEcho(shown.ops, ops)) {
      return this.#confirm(shown, ops);
    }
    const stamp = { own: true, audience: modeBits.committed };
    this.#rebase(this.#commit(ops, stamp), shown);
  }

  /** Computes the view anew after what changed under it, and tells how it differs from what was shown. */
  refold(): void {
    if (this.#stale === null) return;
    const stale = this.#stale;
    const { acts, leaves } = stale;
    const before = this.#view;
    if (this.#isApart(stale)) {
      this.#restore(stale);
    } else {
      this.#addLeaves(leaves);
      this.rebuild();
      this.#addLeaves(leaves);
    }
    const changes: Change[] = [];
    for (const path of leaves) {
      const change = { path, before: before.leaf(path), after: this.#view.leaf(path) };
      if (!looksEqual(change.before, change.after)) changes.push(change);
    }
    const previous = (path: Path): Json | undefined =>
      this.#parts.subscriptions.valueAt(before, path);
    if (changes.length > 0) this.#announce(attributed(acts, changes, previous), this.#view);
  }

  /** The committed state was changed otherwise than by commits. */
  amended(acts: readonly Act[]): void {
    this.#parts.ledger?.touch();
    if (this.#view !== this.#committed) this.#rebase(acts).isWhole = true;
    this.#announce(acts, this.#committed);
  }

  /**
   * A snapshot does not tell of ops, but of what they left: the last at each place that differs stands for them. Of what is no
   * longer held it tells nothing: `isHeld` says whether a leaf at a path would be in it.
   */
  foresee(tree: Tree, seq: Seq, isHeld: (path: Path) => boolean): void {
    const states = { before: this.#committed, after: tree, shown: this.#view };
    const others = othersAt([...this.#shown], states, seq);
    for (const shown of this.#shown) {
      if (isCommittedBy(shown, seq)) continue;
      const met = pathsOf(shown).filter((path) => others.has(path) && isHeld(path));
      rebase(shown, met, (other) => revisionAt(tree, other) ?? seq);
    }
  }

  /** Puts a snapshot in place of the committed state. */
  replace(tree: Tree, seq: Seq): { readonly before: Sight; readonly after: Sight } {
    const before = { committed: this.#committed, view: this.#view };
    this.#committed = tree;
    this.#cursor = seq;
    this.rebuild();
    return { before, after: this.sight() };
  }

  /** Decides all that is shown on the committed state, without a word to anybody. */
  rebuild(): void {
    this.#stale = null;
    this.#steps = 0;
    this.#view = this.#shown.size === 0 ? this.#committed : this.#committed.fork();
    for (const shown of this.#shown) {
      const ops = this.#decide(shown, () => false);
      // What cannot be decided here and now shows nothing until the server has answered.
      shown.ops = isRefusal(ops) ? [] : ops;
      this.#showOps(shown);
    }
  }

  /** Both states as they are now, whatever happens to them later. */
  sight(): Sight {
    const committed = this.#committed.fork();
    return { committed, view: this.#view === this.#committed ? committed : this.#view.fork() };
  }

  /** Whether nothing that is shown bears on what is stale: then the view is there what is committed, and all else as it was. */
  #isApart({ leaves, isWhole }: Stale): boolean {
    return !isWhole && ![...leaves].some((path) => this.touches(path));
  }

  /** Has the view be what is committed where something is stale. */
  #restore({ leaves, paths }: Stale): void {
    if (this.#shown.size === 0) return this.rebuild();
    this.#stale = null;
    this.#view = this.#view.fork();
    for (const path of leaves) {
      const leaf = this.#committed.leaf(path);
      if (leaf !== undefined) this.#view.put(path, leaf);
      else if (this.#view.leaf(path) !== undefined) this.#view.remove(path, 0);
    }
    // Also of maps below which others have written: nobody sees those revisions before these are gone.
    for (const map of [...leaves, ...paths].flatMap(ancestorsOf)) {
      this.#view.revise(map, this.#committed);
    }
    return undefined;
  }

  #announce(acts: readonly Act[], tree: Tree): void {
    this.#parts.subscriptions.announce(acts, tree);
  }

  #commit(ops: readonly WireOp[], stamp: Stamp): readonly Act[] {
    const acts = this.#act(this.#committed, ops, stamp);
    this.#parts.ledger?.touch();
    this.#announce(acts, this.#committed);
    return acts;
  }

  /**
   * Applies ops to a tree, and tells what each did. None sees what another left as its `previous`: nobody was shown a
   * state amid a commit.
   */
  #act(tree: Tree, ops: readonly WireOp[], { own, audience }: Stamp): readonly Act[] {
    const { subscriptions, ledger } = this.#parts;
    const before = ops.map(({ path }) => subscriptions.valueAt(tree, path));
    const witness = tree === this.#committed ? ledger : null;
    return ops.map((op, index) => {
      const changes: Change[] = [];
      const leaf = (change: Change): void => {
        changes.push(change);
        witness?.leaf(change);
      };
      apply(tree, op, { leaf, map: (row) => witness?.map(row) });
      const seq = Number.isInteger(op.seq) ? op.seq : null;
      return { path: op.path, op: op.op, seq, own, audience, previous: before[index], changes };
    });
  }

  #addLeaves(to: Set<Path>): void {
    for (const { leaves } of this.#shown) for (const path of leaves) to.add(path);
  }

  /** Says whether it was shown. */
  #forget(pending: Pending): boolean {
    const wasShown = this.#shown.delete(pending);
    if (wasShown) this.#touched.delete(pending.touched, pending);
    return wasShown;
  }

  /**
   * The echo is what was shown: the view keeps its values, and only what still stands as this request left it gets its
   * revision. The values of the echo are given up for those shown, so that readers see the same objects.
   */
  #confirm(shown: Pending, echo: readonly WireOp[]): void {
    const seqs = new Map<Seq, Seq>();
    const ops = echo.map((op, index) => {
      const mine = shown.ops[index] ?? op;
      seqs.set(mine.seq, op.seq);
      return { ...op, value: mine.value };
    });
    this.#commit(ops, { own: true, audience: modeBits.committed });
    for (const path of shown.leaves) {
      const leaf = this.#view.leaf(path);
      const revision = leaf && seqs.get(leaf.revision);
      if (leaf !== undefined && revision !== undefined) this.#view.put(path, { ...leaf, revision });
    }
    for (const { path } of ops) this.#reviseMaps(path);
    if (this.#shown.size === 0) this.#committed = this.#view;
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

  /** Applies a commit of which nothing is shown yet. */
  #merge(ops: readonly WireOp[], own: boolean): void {
    const isOne = this.#view === this.#committed;
    const audience = isOne ? modeBits.all | modeBits.committed : modeBits.committed;
    const acts = this.#commit(ops, { own, audience });
    if (isOne) return;
    const touching = ops.filter((op) => targets(op).some((path) => this.#entangles(path)));
    if (touching.length === 0) {
      const told = this.#act(this.#view, ops, { own, audience: modeBits.all });
      this.#announce(told, this.#view);
      return;
    }
    this.#rebase(acts);
    if (!own) this.#noteRebase(touching);
  }

  /** What shows only with the next refold holds back what comes after it at the same place: a path keeps its order. */
  #entangles(path: Path): boolean {
    return this.touches(path) || this.#stale?.touched.touches(path) === true;
  }

  /** `shown`: a request that is shown no more. */
  #rebase(acts: readonly Act[], shown?: Pending): Stale {
    this.#stale ??= new Stale();
    if (shown !== undefined) this.#stale.drop(shown);
    this.#stale.rebase(acts);
    return this.#stale;
  }

  #noteRebase(ops: readonly WireOp[]): void {
    for (const op of ops) {
      const paths = targets(op);
      const areMet = (mine: Path): boolean => paths.some((path) => overlaps(mine, path));
      for (const shown of this.#shown) {
        // A condition that is of other places held, whatever became of those; it is not what was written over.
        if (shown.touched.some(areMet)) rebase(shown, pathsOf(shown).filter(areMet), () => op.seq);
      }
    }
  }

  #showOps(shown: Pending): readonly Act[] {
    const acts = this.#act(this.#view, shown.ops, ownStamp);
    shown.leaves = acts.flatMap(({ changes }) => changes.map(({ path }) => path));
    return acts;
  }

  #decide({ opId, request, createdAt }: Pending, judges: Judges): readonly Op[] | Refusal {
    const { deviceId, mutate } = this.#parts.config;
    const decision = decide(this.#view, request, {
      head: this.#cursor + 1,
      deviceId,
      opId,
      principal: null,
      at: createdAt,
      judges,
      limits: this.limits,
      mutate,
    });
    if (isRefusal(decision)) return decision;
    const steps = this.#steps + 1;
    this.#steps += decision.ops.length;
    if (this.#steps >= 1 / step) return refuse('overloaded');
    return decision.ops.map((op, index) => standing(op, this.#cursor + (steps + index) * step));
  }

  /**
   * Whether a guard can be judged here: own unanswered requests do not touch its path, as their revisions are not known
   * yet, and there is something here, no older than what it expects; what is not here may be elsewhere. Fences, and what
   * leases forbid, only the authority knows.
   */
  #isKnown(path: Path, revision: Seq): boolean {
    if (this.touches(path)) return false;
    return revision <= (revisionAt(this.#view, path) ?? -1);
  }
}

/** An op of our own as it stands in the view: at a revision between two seqs. */
function standing(op: Op, seq: Seq): Op {
  return { ...op, seq };
}

/** Others came before a request at these of its paths. */
function rebase(shown: Pending, met: readonly Path[], seqAt: (path: Path) => Seq): void {
  const [first] = met;
  if (first === undefined) return;
  shown.rebasedOver.push(seqAt(first));
  for (const path of met) shown.rebasedAt.add(path);
}
