import type { Json } from '@holdfast/protocol';
import type { EnvelopeTail, UploadOp } from '@holdfast/protocol/views';
import { diff } from '../../data/index.ts';
import { Attempt } from './attempt.ts';
import type { Commit, CycleHost } from './cycle-host.ts';
import type { Layer } from './layer.ts';
import type { ViewNode } from './node.ts';
import { byDepth, byNode, Outbox } from './outbox.ts';
import { culpritOf, RenderFailure } from './render-failure.ts';
import { applyRendering, checkSize, type Rendering } from './rendering.ts';
import { type Changed, streamResets, takeovers, uploadResets } from './takeovers.ts';
import type { Watch } from './watch.ts';

/*
 * Rendering and what follows from it: at most one cycle at a time, at most one envelope each (views.md §11.4, §11.6).
 *
 *            turn, and due · command · mount                    all is there
 *     idle ─────────────────────────────────▶ rendering ───────────────────────▶ committed, sent: idle
 *                                             │       ▲
 *                                        held └───────┘
 *                                  fails: by what a node has read: again without it
 *                                         by one task: it was never there, and a command is answered so
 *                                         by one of several: again with the first half of them
 *
 * C1  What clients have seen is a render of what is committed.
 * C2  Layers are committed in the order of their tasks, each as a whole.
 * C3  With nobody there nothing renders; tasks are committed all the same.
 */

type Current = {
  readonly attempt: Attempt;
  readonly layers: readonly Layer[];
  readonly byReads: ReadonlySet<ViewNode>;
  readonly commit: Commit | null;
  readonly mount: ViewNode | null;
  readonly startedAt: number;
  stopClock: () => void;
};

const nobody = { culprit: null, origin: null };

type Beginning = Pick<Current, 'commit' | 'mount'> & { readonly part?: number };

type Measured = { readonly count: number; readonly renderedAt: number; readonly ops: number };

export class Cycles {
  readonly #host: CycleHost;
  readonly index: Map<string, ViewNode> = new Map();
  #root: ViewNode | null = null;
  /** What background tasks have done since the last cycle. */
  #batch: Layer[] = [];
  #touched = new Set<ViewNode>();
  #changed = new Set<Watch>();
  #uploadOps: UploadOp[] = [];
  readonly #outbox: Outbox;
  #current: Current | null = null;
  /** A command that waits for the cycle before it. */
  #next: Commit | null = null;
  /** Who comes waits for a cycle. */
  #flushes: (() => void)[] = [];
  #lastAt = -Infinity;
  #isAsked = false;
  #isTimed = false;
  #isOver = false;

  constructor(host: CycleHost) {
    this.#host = host;
    this.#outbox = new Outbox(host.world.config.limits.held_bytes);
  }

  get root(): ViewNode | null {
    return this.#root;
  }

  /** What the next task sees. */
  get top(): Layer | null {
    return this.#batch.at(-1) ?? null;
  }

  get tree(): Json {
    return this.#root?.rendered?.wire ?? null;
  }

  /** The first cycle. */
  mount(root: ViewNode): void {
    this.#begin({ commit: null, mount: root });
  }

  /** A cycle of its own for a command. */
  commit(commit: Commit): void {
    if (this.#current !== null) this.#next = commit;
    else if (this.#host.audience.isPresent) this.#begin({ commit, mount: null });
    else {
      this.settleUnseen();
      this.#commitUnseen(commit.layer);
      commit.done(this.#host.audience.version);
      this.#rest(commit);
    }
  }

  /** What a background task did goes into the next cycle. */
  merge(layer: Layer): void {
    if (layer.isEmpty) return;
    layer.rebase(this.top);
    this.#batch.push(layer);
    this.#host.rebase(this.top);
    this.settleUnseen();
    this.ask();
  }

  /** With nobody there, what background tasks have done does not wait for a render. */
  settleUnseen(): void {
    if (this.#host.audience.isPresent || this.#current !== null) return;
    const layers = this.#batch;
    this.#batch = [];
    for (const layer of layers) this.#commitUnseen(layer);
    this.#host.rebase(null);
  }

  touch(node: ViewNode): void {
    this.#touched.add(node);
    this.ask();
  }

  watchChanged(watch: Watch): void {
    this.#changed.add(watch);
    this.ask();
  }

  addUploadOps(ops: readonly UploadOp[]): void {
    this.#uploadOps.push(...ops);
    this.ask();
  }

  /** Has a cycle run before somebody is let in; then the function. */
  flush(then: () => void): void {
    if (this.#current === null && !this.#isDirty()) then();
    else {
      this.#flushes.push(then);
      if (this.#current === null) this.#begin({ commit: null, mount: null });
    }
  }

  /** The end of a turn in which something happened. */
  turn(): void {
    this.#isAsked = false;
    const watches = [...this.#changed];
    this.#changed.clear();
    for (const watch of watches) if (!watch.isStopped) this.#host.checkWatch(watch);
    this.#runIfDue();
  }

  end(): void {
    this.#isOver = true;
    this.#current?.stopClock();
    this.#current?.attempt.drop(null);
    this.#current = null;
    for (const layer of this.#batch) layer.drop();
    this.#batch = [];
  }

  /** Asks for the end of the turn. */
  ask(): void {
    if (this.#isAsked || this.#isOver) return;
    this.#isAsked = true;
    this.#host.world.ports.perform({ type: 'turn' });
  }

  #isDirty(): boolean {
    const waits = this.#batch.length + this.#touched.size + this.#uploadOps.length;
    return waits > 0 || !this.#outbox.isEmpty;
  }

  #runIfDue(): void {
    if (this.#current !== null || this.#isOver || this.#isTimed) return;
    if (!this.#isDirty() || !this.#host.audience.isPresent) return;
    const { world, rateMs, enter } = this.#host;
    const due = this.#lastAt + rateMs;
    if (world.ports.now() >= due) {
      this.#lastAt = world.ports.now();
      this.#begin({ commit: null, mount: null });
      return;
    }
    this.#isTimed = true;
    world.alarms.set(due, () =>
      enter(() => {
        this.#isTimed = false;
        // Thousands of instances may be due by the same commit: each in its turn.
        this.ask();
      }),
    );
  }

  #begin(beginning: Beginning): void {
    this.#go(this.#attempt(beginning));
  }

  /** `part`: with so many layers of those that there are, and with nothing besides. */
  #attempt({ commit, mount, part }: Beginning): Current {
    const all = commit === null ? this.#batch : [...this.#batch, commit.layer];
    const layers = all.slice(0, part);
    const byReads = part === undefined ? this.#touched : new Set<ViewNode>();
    if (part === undefined) this.#touched = new Set();
    const byTasks = new Set(layers.flatMap((layer) => [...layer.dirty]));
    const watches = layers.flatMap((layer) => layer.watches);
    const { world, enter } = this.#host;
    const below = layers.at(-1) ?? null;
    const attempt = new Attempt(world, { below, byTasks, byReads, mount, watches }, () =>
      enter(() => {
        if (this.#current?.attempt === attempt) this.#go(this.#current);
      }),
    );
    const startedAt = world.ports.now();
    const stopClock = unset;
    this.#current = { attempt, layers, byReads, commit, mount, startedAt, stopClock };
    return this.#current;
  }

  #go(current: Current): void {
    let next = this.#try(current);
    while (next !== null) next = this.#try(this.#attempt(next));
  }

  /** Goes on with a try; where it fails, what is to be tried next. */
  #try(current: Current): Beginning | null {
    const { attempt } = current;
    current.stopClock();
    let rendering: Rendering | null;
    try {
      rendering = attempt.run();
      if (rendering !== null) checkSize(rendering, this.#host.world.config.limits);
    } catch (error) {
      return this.#fail(current, error);
    }
    if (rendering === null) this.#setClock(current);
    else this.#finish(current, rendering);
    return null;
  }

  /** What holds a cycle has its time, counted from the beginning. */
  #setClock(current: Current): void {
    const { world, holdMs, enter } = this.#host;
    current.stopClock = world.alarms.set(current.startedAt + holdMs, () =>
      enter(() => {
        if (this.#current !== current) return;
        const [late] = current.attempt.pending;
        const error = new Error('It took too long.');
        const failure = late === undefined ? error : current.attempt.failureOf(late, error);
        const next = this.#fail(current, failure);
        if (next !== null) this.#begin(next);
      }),
    );
  }

  #fail(current: Current, error: unknown): Beginning | null {
    const { attempt, commit, mount, byReads } = current;
    const blamed = mount ?? this.#root;
    if (blamed === null) throw error;
    // A tree that is too large is nobody's in particular.
    const failure =
      error instanceof RenderFailure ? error : new RenderFailure(blamed, nobody, error);
    attempt.drop(failure);
    this.#current = null;
    if (mount !== null) {
      this.#host.failed(failure);
      return null;
    }
    for (const node of byReads) if (node !== failure.culprit) this.#touched.add(node);
    if (failure.culprit === null) return this.#blame(failure, current);
    this.#host.world.fault('render', failure.node, failure.cause);
    return { commit, mount: null };
  }

  /** The task that has spoilt it is taken back, and no other: who that is shows where fewer are tried (views.md §11.3). */
  #blame(failure: RenderFailure, { layers, byReads, commit }: Current): Beginning | null {
    const culprit = culpritOf(failure, layers, byReads);
    if (culprit === undefined && layers.length > 0) {
      const part = Math.ceil(layers.length / 2);
      if (part === layers.length) return { commit, mount: null, part };
      this.#next ??= commit;
      return { commit: null, mount: null, part };
    }
    if (commit !== null && culprit === commit.layer) {
      culprit.drop();
      commit.failed(failure);
      this.#rest(commit);
      return null;
    }
    this.#host.world.fault('render', failure.node, failure.cause);
    // Where it is no task, the last tree stays, until something that it was made of changes.
    if (culprit === undefined) this.#touched.clear();
    culprit?.drop();
    this.#restack(this.#batch.filter((layer) => layer !== culprit));
    const next = commit ?? this.#next;
    this.#next = null;
    return { commit: next, mount: null };
  }

  #finish(current: Current, rendering: Rendering): void {
    const { layers, commit, mount } = current;
    this.#current = null;
    const before = this.tree;
    const all = [...layers, rendering.layer];
    const starts = all.flatMap((layer) => layer.commit());
    this.#dropCommitted(layers, commit);
    const ended = applyRendering(rendering, this.index);
    if (mount !== null) this.#root = mount;
    const renderedAt = this.#host.world.ports.now();
    const tail = this.#collect(all, { before, added: [...rendering.added.values()], ended });
    this.#measure(current, { count: rendering.count, renderedAt, ops: tail.ops.length });
    this.#host.ended(ended);
    this.#send(all, tail, commit);
    if (mount !== null) this.#host.mounted();
    for (const start of starts) start();
    this.#host.deliver(rendering.messages);
    this.#rest(commit);
  }

  #dropCommitted(layers: readonly Layer[], commit: Commit | null): void {
    const count = layers.length - (commit === null ? 0 : 1);
    this.#restack(this.#batch.slice(count));
  }

  /** These layers are what is left. */
  #restack(batch: Layer[]): void {
    this.#batch = batch;
    for (const [index, layer] of batch.entries()) layer.rebase(batch[index - 1] ?? null);
    this.#host.rebase(this.top);
  }

  #collect(
    layers: readonly Layer[],
    { before, added, ended }: { readonly before: Json } & Changed,
  ): EnvelopeTail {
    const { streamOps, events } = this.#outbox.with(layers);
    const taken = takeovers({ added, ended });
    const own = streamOps.filter(({ node }) => this.index.get(node.key) === node);
    const tree = this.tree;
    const configs = added.toSorted(byDepth).flatMap((node) => this.#host.configs(node));
    const first = [{ op: 'replace', path: '', value: tree }] as const;
    return {
      ops: before === null ? first : diff(before, tree),
      stream_ops: byNode([...streamResets(taken), ...own]).map(({ op }) => op),
      upload_ops: [...uploadResets(taken), ...configs, ...this.#takeUploadOps()],
      events: byNode(events.filter(({ to }) => to === 'all')).map(({ event }) => event),
    };
  }

  #takeUploadOps(): readonly UploadOp[] {
    const ops = this.#uploadOps;
    this.#uploadOps = [];
    return ops;
  }

  /** The reply first, then the envelope (views.md §5.6). */
  #send(layers: readonly Layer[], tail: EnvelopeTail, commit: Commit | null): void {
    const { audience } = this.#host;
    const privately = this.#outbox.with(layers).events.filter(({ to }) => to !== 'all');
    const isEmpty = Object.values(tail).every((list) => list.length === 0);
    if (this.#outbox.clear()) audience.breakLog();
    commit?.done(audience.version + (isEmpty ? 0 : 1));
    if (isEmpty) audience.sendEvents(privately);
    else audience.publish({ tail, privately });
  }

  #measure({ startedAt }: Current, { count, renderedAt, ops }: Measured): void {
    const { ports } = this.#host.world;
    const [renderMs, diffMs] = [renderedAt - startedAt, ports.now() - renderedAt];
    ports.perform({ type: 'rendered', nodes: count, renderMs, diffMs, ops });
  }

  /** Nobody is there: it is true at once, and rendered when somebody comes (views.md §4.4). */
  #commitUnseen(layer: Layer): void {
    for (const node of layer.dirty) this.#touched.add(node);
    for (const watch of layer.watches) this.#changed.add(watch);
    this.#outbox.add(layer);
    for (const start of layer.commit()) start();
    if (layer.watches.length > 0) this.ask();
  }

  /** Nothing runs: what waits for that goes on. */
  #rest(over: Commit | null): void {
    this.settleUnseen();
    const commit = this.#next;
    this.#next = null;
    if (commit !== null) {
      this.commit(commit);
      return;
    }
    const flushes = this.#flushes;
    this.#flushes = [];
    for (const then of flushes) then();
    over?.rested();
    if (this.#isDirty()) this.ask();
  }
}

function unset(): void {
  // No clock runs.
}
