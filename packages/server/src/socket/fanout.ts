import type { LoggedOp } from '@holdfast/engine/authority';
import { Matcher, project, type Tree } from '@holdfast/engine/data';
import { type Around, commitsOf, retell, stateAfter, type Veil } from '@holdfast/engine/gate';
import type { Path, Seq } from '@holdfast/protocol';
import type { Clock } from '../host/clock.ts';
import type { Crowd } from '../host/crowd.ts';
import type { Traces } from '../host/requests.ts';
import type { StoreHost } from '../host/store-host.ts';
import type { Stores } from '../host/stores.ts';
import { Evaluations } from './evaluations.ts';
import { Group, type Listener } from './group.ts';
import type { Indexes } from './indexes.ts';
import { writtenBy } from './ops.ts';
import type { Flusher } from './outbox.ts';
import type { ChannelScope } from './scope.ts';
import type { Audience } from './terms.ts';
import { type HeldViewer, type Turned, Viewers } from './viewers.ts';
import { formatOf } from './wire.ts';

/** Well within the second that stores.md §10.2.5 leaves to tell a channel of ops that it does not get. */
const SILENCE_MS = 500;
/** Ops that touch more leaves are first held against every scope as a whole. */
const NARROW_LEAVES = 32;

/** A channel's place among those that hear what is new. */
export type Membership = {
  /** The seq up to which the channel has been told. */
  told(): Seq;
  /** Tells it, and all of its group, of everything up to the head. */
  flush(): void;
  /** The next events end with the question whether they are applied; false where they do already. */
  wonder(): boolean;
  leave(): void;
};

/** Groups of one scope, which share what is projected for it. */
type Filter = { readonly scope: ChannelScope; readonly groups: Set<Group>; remove(): void };

type Visible = Map<Filter, LoggedOp[]>;

/** What fan-outs share. */
export type FanoutRoom = {
  readonly clock: Clock;
  readonly flusher: Flusher;
  readonly stores: Pick<Stores, 'patrol'>;
  /** All who go on piece by piece. */
  readonly crowd: Crowd;
};

/** Hands the facts of one store to its live channels: projected once for each scope, encoded once for each group. */
export class Fanout {
  readonly #host: StoreHost;
  readonly #clock: Clock;
  readonly #flusher: Flusher;
  readonly #groups = new Map<string, Group>();
  readonly #whole = new Set<Group>();
  readonly #filters = new Map<string, Filter>();
  readonly #matcher = new Matcher<Filter>();
  readonly #unfollow: () => void;
  /** The queries of its channels. */
  readonly evaluations: Evaluations;
  /** Those of whom something is hidden. */
  readonly #viewers: Viewers;
  #timer: unknown = null;
  #cursor: Seq;
  /** The state at the cursor, kept while there is somebody from whom values hide something. */
  #before: Tree | null = null;

  constructor(host: StoreHost, { clock, flusher, stores, crowd }: FanoutRoom, indexes: Indexes) {
    this.#host = host;
    this.evaluations = new Evaluations(host, { crowd, indexes });
    this.#viewers = new Viewers({ clock, patrol: stores.patrol, evaluations: this.evaluations });
    this.#clock = clock;
    this.#flusher = flusher;
    this.#cursor = host.head;
    this.#unfollow = host.follow((ops, traces) => this.#deliver(ops, traces));
  }

  /** Adds a channel that has been told of everything up to the head. */
  join(audience: Audience, scope: ChannelScope, listener: Listener): Membership {
    this.#groupOf(audience, scope).advance(this.#cursor);
    // Another one where all members were too slow for that, and the group is gone.
    const group = this.#groupOf(audience, scope);
    group.listeners.add(listener);
    return {
      told: () => group.cursor,
      flush: () => group.advance(this.#cursor),
      wonder: () => group.wonder(listener),
      leave: () => {
        group.leave(listener);
        if (group.listeners.size === 0) this.#forget(group);
      },
    };
  }

  /** Somebody who looks through a veil, and all others of whom the same is hidden. */
  view(veil: Veil): HeldViewer {
    this.#before ??= this.#host.view().tree;
    return this.#viewers.hold(veil);
  }

  /** Whether somebody who was here may come back and go on. */
  get isAwaited(): boolean {
    return !this.#viewers.isEmpty;
  }

  close(): void {
    this.#unfollow();
    this.#viewers.close();
    this.#clock.clearTimeout(this.#timer);
  }

  #groupOf(audience: Audience, scope: ChannelScope): Group {
    const key = `${scope.told} ${audience.dialect} ${formatOf(audience.codec)} ${audience.topic}`;
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group = new Group(key, audience, { told: scope.told, cursor: this.#cursor });
    this.#groups.set(key, group);
    if (scope.leaves.isWhole) this.#whole.add(group);
    else this.#filterOf(scope).groups.add(group);
    return group;
  }

  #filterOf(scope: ChannelScope): Filter {
    const known = this.#filters.get(scope.told);
    if (known !== undefined) return known;
    const removals: (() => void)[] = [];
    const remove = (): void => removals.forEach((each) => each());
    const filter: Filter = { scope, groups: new Set(), remove };
    for (const pattern of scope.leaves.patterns) removals.push(this.#matcher.add(pattern, filter));
    this.#filters.set(scope.told, filter);
    return filter;
  }

  #forget(group: Group): void {
    if (this.#groups.get(group.key) !== group) return;
    this.#groups.delete(group.key);
    this.#whole.delete(group);
    const filter = this.#filters.get(group.told);
    if (filter === undefined || !filter.groups.delete(group) || filter.groups.size > 0) return;
    filter.remove();
    this.#filters.delete(group.told);
  }

  #deliver(ops: readonly LoggedOp[], traces: Traces): void {
    const to = ops.at(-1)?.seq ?? this.#cursor;
    this.#cursor = to;
    this.evaluations.follow(ops);
    this.#flusher.delivering(this.#clock.now());
    for (const group of this.#whole) group.deliver(ops, to, traces);
    const { visible, turned } = this.#project(ops);
    for (const [{ groups }, seen] of visible) {
      for (const group of groups) group.deliver(seen, to, traces);
    }
    for (const [viewer, objects] of turned) viewer.doubt(objects);
    if (this.#filters.size === 0) return;
    this.#timer ??= this.#clock.setTimeout(() => this.#breakSilence(), SILENCE_MS);
  }

  #breakSilence(): void {
    this.#timer = null;
    for (const { groups } of this.#filters.values()) {
      for (const group of groups) group.advance(this.#cursor);
    }
  }

  /** Each commit as it is seen by the states on both sides of it, where there is somebody from whom values hide something. */
  #project(ops: readonly LoggedOp[]): { readonly visible: Visible; readonly turned: Turned } {
    const visible: Visible = new Map();
    const turned: Turned = new Map();
    let before = this.#before;
    if (before === null) this.#see(ops, null, visible);
    else {
      const last = ops.at(-1);
      for (const commit of commitsOf(ops)) {
        const isLast = commit.at(-1) === last;
        const after: Tree = isLast ? this.#host.view().tree : stateAfter(before, commit);
        const around = { before, after, isLone: commit.length === 1, isNow: isLast };
        this.#see(commit, around, visible);
        this.#viewers.turn(commit, around, turned);
        before = after;
      }
      // Whoever comes next begins with the state of then.
      this.#before = this.#viewers.isEmpty ? null : before;
    }
    return { visible, turned };
  }

  #see(ops: readonly LoggedOp[], around: Around | null, visible: Visible): void {
    for (const op of ops) {
      for (const [filter, seen] of this.#seenBy(op, around)) {
        const list = visible.get(filter);
        if (list === undefined) visible.set(filter, [seen]);
        else list.push(seen);
      }
    }
  }

  /** Who sees something of an op, found by the leaves it wrote and removed: who sees nothing costs nothing. */
  *#seenBy(op: LoggedOp, around: Around | null): Generator<readonly [Filter, LoggedOp]> {
    const { removed } = op;
    if (removed.length > NARROW_LEAVES && !this.#isReached(op.path)) return;
    const concerned = new Set<Filter>();
    const bereft = new Set<Filter>();
    for (const path of writtenBy(op)) this.#matcher.cover(path, (each) => concerned.add(each));
    for (const { path } of removed) {
      this.#matcher.cover(path, (each) => {
        if (bereft.has(each)) return;
        if (each.scope.veil !== null || each.scope.leaves.covers(path)) bereft.add(each);
      });
    }
    for (const filter of bereft) concerned.add(filter);
    for (const filter of concerned) {
      const { leaves, veil } = filter.scope;
      const seen =
        veil === null || around === null
          ? project(op, leaves, () => bereft.has(filter))
          : retell(op, leaves, { veil, around });
      if (seen !== null) yield [filter, seen];
    }
  }

  #isReached(path: Path): boolean {
    for (const { scope } of this.#filters.values()) {
      // What a veil let through before, only the state before tells.
      if (scope.veil !== null || scope.leaves.reaches(path)) return true;
    }
    return false;
  }
}
