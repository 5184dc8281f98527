import { isObject, isPromised, type JsonObject } from '@holdfast/protocol';
import { nodeMarker } from '@holdfast/protocol/views';
import { toWire, type WirePath } from '../../data/index.ts';
import { asyncCell } from './asyncs.ts';
import { Context } from './context.ts';
import { isShallowlyAlike } from './equal.ts';
import { frozen } from './frozen.ts';
import { Layer } from './layer.ts';
import { type Child, keyOf, type Props, type Rendered, ViewNode } from './node.ts';
import { type Place, propsOf, sharedHolder, warnOfStreams } from './place.ts';
import { Hold, type Reading } from './reads.ts';
import { RenderFailure } from './render-failure.ts';
import type { Rendering } from './rendering.ts';
import { Scope } from './scope.ts';
import { ChildSlot, NamedSlot, slotMark, Slots } from './slots.ts';
import { assemble } from './splice.ts';
import type { Watch } from './watch.ts';
import type { World } from './world.ts';

/*
 * One try to render what is dirty, parents before children (views.md §11.4). All of it comes true, or nothing: new nodes,
 * props, what mounts did. What cannot be had yet (an async mount, a store not yet open) holds it.
 *
 *            nothing left to render              what it waited for
 *   running ───────────────────────▶ held ──────────────────────────▶ running
 *      │  nothing pending: `Rendering`
 *      └─ throws `RenderFailure`
 */

/** What is to be rendered, and why. */
export type Dirt = {
  /** The topmost layer of what tasks have done. */
  readonly below: Layer | null;
  readonly byTasks: ReadonlySet<ViewNode>;
  /** By a change of what they read, alone or besides. */
  readonly byReads: ReadonlySet<ViewNode>;
  /** The root, in its mount. */
  readonly mount: ViewNode | null;
  /** Watches that are to read for the first time. */
  readonly watches: readonly Watch[];
};

export class Attempt {
  readonly layer: Layer;
  readonly #world: World;
  readonly #dirt: Dirt;
  readonly #rendered = new Map<ViewNode, Rendered>();
  readonly #readings = new Map<ViewNode, Reading>();
  readonly #added = new Map<string, ViewNode>();
  readonly #doomed = new Set<ViewNode>();
  /** Who has placed a node anew. */
  readonly #causes = new Map<ViewNode, ViewNode>();
  /** Nodes that are to render, by depth. */
  readonly #waiting: Set<ViewNode>[] = [];
  /** What nodes wait for, counted. */
  readonly #pending = new Map<ViewNode, number>();
  /** Watches that wait to read for the first time. */
  readonly #held = new Set<Watch>();
  readonly #scopes: Scope[] = [];
  readonly #resume: () => void;
  /** Has whoever is to blame tried once more, when there is what was not there in time. */
  #again = (): void => undefined;
  #failure: RenderFailure | null = null;
  /** The way to what held the last child that was placed. */
  #holder: WirePath = [];
  #watched = 0;
  #count = 0;
  #isOver = false;

  constructor(world: World, dirt: Dirt, resume: () => void) {
    this.#world = world;
    this.#dirt = dirt;
    this.#resume = resume;
    this.layer = new Layer(dirt.below);
    for (const node of [...dirt.byTasks, ...dirt.byReads]) this.#push(node);
  }

  /** Goes on; null: it is held, and `resume` is called when that is over. */
  run(): Rendering | null {
    const root = this.#dirt.mount;
    if (root !== null && !this.#added.has(root.key)) {
      this.#added.set(root.key, root);
      this.#mount(root);
    }
    for (let node = this.#next(); node !== null; node = this.#next()) {
      this.#check();
      if (this.#isAttached(node)) this.#render(node);
    }
    this.#readWatches();
    this.#check();
    return this.#pending.size + this.#held.size > 0 ? null : this.#finish();
  }

  /** The nodes that it waits for. */
  get pending(): Iterable<ViewNode> {
    return [...this.#pending.keys(), ...Array.from(this.#held, ({ node }) => node)];
  }

  /** It leads to nothing; where what a node has read is to blame, any other reading of that may lead to something. */
  drop(failure: RenderFailure | null): void {
    this.#isOver = true;
    for (const scope of this.#scopes) scope.close();
    const culprit = failure?.culprit ?? null;
    for (const [node, reading] of this.#readings) {
      const isToBlame = culprit !== null && (node === culprit || node === failure?.node);
      if (isToBlame) culprit.followAlso(reading);
      else reading.drop();
    }
    if (culprit !== null) this.#again = () => this.#world.touch(culprit);
    for (const node of this.#added.values()) node.end();
    this.layer.drop();
  }

  /** The failure that it comes to if a node fails now. */
  failureOf(node: ViewNode, error: unknown): RenderFailure {
    if (error instanceof RenderFailure) return error;
    const origin = this.#origin(node);
    const { byTasks, byReads, mount } = this.#dirt;
    const isByReads = !byTasks.has(origin) && origin !== mount && byReads.has(origin);
    return new RenderFailure(node, { culprit: isByReads ? origin : null, origin }, error);
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  #push(node: ViewNode): void {
    (this.#waiting[node.depth] ??= new Set()).add(node);
  }

  #next(): ViewNode | null {
    for (const nodes of this.#waiting) {
      for (const node of nodes ?? []) {
        nodes.delete(node);
        return node;
      }
    }
    return null;
  }

  #isAttached(node: ViewNode): boolean {
    return !this.#isGone(node) && !this.#pending.has(node);
  }

  /** Whom what happens to a node began with. */
  #origin(node: ViewNode): ViewNode {
    const cause = this.#causes.get(node);
    if (this.#dirt.byTasks.has(node) || node === this.#dirt.mount || !cause) return node;
    return this.#origin(cause);
  }

  #render(node: ViewNode): void {
    const reading = node.beginReading();
    const slots = new Slots(node.view);
    const scope = this.#scope();
    try {
      const ctx = new Context(this.#world, { node, scope });
      const state = node.state.read(this.layer);
      const output = this.#world.reading(reading, () => node.view.render(state, slots, ctx));
      slots.close();
      this.#keepReading(node, reading);
      this.#count++;
      this.#place(node, slots, output);
    } catch (error) {
      slots.close();
      this.#keepReading(node, reading);
      if (!(error instanceof Hold)) throw this.failureOf(node, error);
      error.onceOver(() => this.#again());
      this.#wait(node, error.until, () => undefined);
    } finally {
      scope.finish();
    }
  }

  #keepReading(node: ViewNode, reading: Reading): void {
    const former = this.#readings.get(node);
    if (former !== reading) former?.drop();
    this.#readings.set(node, reading);
  }

  /** Writes the output of a render, and settles what children there are now. */
  #place(node: ViewNode, slots: Slots, output: unknown): void {
    const isTree = isObject(output) && !isPromised(output);
    if (!isTree) throw new TypeError('render must return a plain object.');
    const former = node.rendered;
    const places = new Map<string, Place>();
    const slotted = { weight: 0, height: 0 };
    const { value, weight, height } = toWire(output, former?.wire, {
      depthMax: this.#world.config.limits.tree_depth,
      mark: [nodeMarker, node.storeId],
      slot: (slot, path, previous) => {
        if (slot instanceof ChildSlot) return this.#placeChild({ node, slots, places }, slot, path);
        if (!(slot instanceof NamedSlot)) return undefined;
        slots.place(slot);
        if (slot.kind !== 'async') return slotMark(slot.kind, slot.name, previous);
        const async = asyncCell(node, slot.name).read(this.layer);
        slotted.weight += async.size.weight;
        slotted.height = Math.max(slotted.height, path.length + 1 + async.size.height);
        return async.wire;
      },
    });
    warnOfStreams(this.#world, node, slots);
    const children: Child[] = [];
    for (const place of places.values()) {
      const { holder, at } = place;
      children.push({ node: this.#settleChild(node, place), holder, at });
    }
    // It may have rendered before in this try.
    for (const rendered of [former, this.#rendered.get(node)]) {
      for (const { node: old } of rendered?.children ?? []) {
        if (places.get(old.key)?.existing !== old) this.#doomed.add(old);
      }
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an object was written, so it is one
    const wire = value as JsonObject;
    // Without the room that lists get as they grow: most nodes stay as they are.
    const kept = children.length === 0 ? childless : children.slice();
    const size = {
      weight: weight + slotted.weight,
      height: Math.max(height, slotted.height),
    };
    this.#rendered.set(node, { wire, children: kept, ...size, totalWeight: 0, totalHeight: 0 });
  }

  #placeChild(
    { node, slots, places }: { node: ViewNode; slots: Slots; places: Map<string, Place> },
    slot: ChildSlot,
    path: WirePath,
  ): JsonObject | null {
    slots.place(slot);
    // The holder's own key and all indices are left out (views.md §6.3).
    const holder = sharedHolder(path.slice(0, -1), this.#holder);
    this.#holder = holder;
    const keys = holder.filter((key) => typeof key === 'string');
    const storeId = node.storeId.concat(keys, slot.id);
    const key = keyOf(storeId);
    if (places.has(key)) throw new TypeError(`Two children have the id ${key}.`);
    const known = this.#added.get(key) ?? this.#world.find(key);
    const isSame = known !== null && known.parent === node && known.view === slot.view;
    const existing = isSame ? known : null;
    places.set(key, { slot, storeId, key, existing, holder, at: path.at(-1) ?? 0 });
    return existing?.rendered?.wire ?? null;
  }

  /** A child stays, with new props perhaps, or begins. */
  #settleChild(parent: ViewNode, { slot, storeId, key, existing }: Place): ViewNode {
    if (existing !== null) {
      this.#doomed.delete(existing);
      this.#adopt(parent, existing, slot);
      return existing;
    }
    const replaced = this.#added.get(key);
    if (replaced?.parent === parent) this.#forget(replaced);
    const { view, id, on } = slot;
    const params = propsOf(slot);
    const of = { view, id, storeId, parent };
    const props = { params, passed: slot.props, on };
    const node = new ViewNode(of, props, this.#world.touch);
    if (this.#added.has(key)) throw new TypeError(`Two nodes have the id ${key}.`);
    this.#added.set(key, node);
    this.#causes.set(node, parent);
    this.#mount(node);
    return node;
  }

  /** Props are compared with what was passed last time, never with what the child made of it (views.md §11.3). */
  #adopt(parent: ViewNode, node: ViewNode, slot: ChildSlot): void {
    const former = node.props.read(this.layer);
    const isPassed = isShallowlyAlike(former.passed, slot.props);
    if (isPassed && isShallowlyAlike(former.on, slot.on)) return;
    const params = isPassed ? former.params : propsOf(slot);
    const next: Props = { params, passed: slot.props, on: slot.on };
    node.props.write(this.layer, next);
    if (isPassed) return;
    this.#causes.set(node, parent);
    this.#push(node);
    const { onProps } = node.view;
    if (onProps === undefined) return;
    this.#call(node, (ctx) => onProps(ctx, params, former.params));
  }

  #mount(node: ViewNode): void {
    node.state.write(this.layer, {});
    this.#push(node);
    const { mount } = node.view;
    if (mount === undefined) return;
    this.#call(node, (ctx) => mount(ctx), true);
  }

  /** Calls application code that belongs to the render; what it gives back is the state, when it mounts. */
  #call(node: ViewNode, call: (ctx: Context) => unknown, isMounting = false): void {
    const scope = this.#scope();
    const land = (state: unknown): void => {
      if (isMounting && state !== undefined) {
        node.state.write(this.layer, frozen(this.#world, state));
      }
      scope.finish();
    };
    try {
      const result = call(new Context(this.#world, { node, scope }, { isMounting }));
      if (result instanceof Promise) this.#wait(node, result, land);
      else land(result);
    } catch (error) {
      throw this.failureOf(node, error);
    }
  }

  #scope(): Scope {
    const scope = new Scope(this.layer, null);
    this.#scopes.push(scope);
    return scope;
  }

  /** The node does not render, and the try does not end, before something has settled. */
  #wait(node: ViewNode, until: Promise<unknown>, then: (value: unknown) => void): void {
    this.#pending.set(node, (this.#pending.get(node) ?? 0) + 1);
    this.#when(node, until, (value) => {
      const waits = (this.#pending.get(node) ?? 0) - 1;
      if (waits > 0) this.#pending.set(node, waits);
      else this.#pending.delete(node);
      then(value);
      this.#push(node);
    });
  }

  /** Goes on once something has settled. */
  #when(node: ViewNode, until: Promise<unknown>, landed: (value: unknown) => void): void {
    const goOn = (then: () => void): void => {
      if (this.#isOver) return;
      then();
      this.#resume();
    };
    until.then(
      (value: unknown) => goOn(() => landed(value)),
      (error: unknown) =>
        goOn(() => {
          this.#failure ??= this.failureOf(node, error);
        }),
    );
  }

  #readWatches(): void {
    const watches = [...this.#dirt.watches, ...this.layer.watches];
    for (; this.#watched < watches.length; this.#watched++) {
      const watch = watches[this.#watched];
      if (watch === undefined || watch.hasRead || watch.isEnded) continue;
      const until = this.#world.readWatch(watch);
      if (until === null) continue;
      // Its node need not wait for it.
      this.#held.add(watch);
      this.#when(watch.node, until, () => this.#held.delete(watch));
      return;
    }
  }

  #finish(): Rendering {
    for (const [key, node] of this.#added) {
      if (!this.#isAttached(node)) {
        this.#forget(node);
        continue;
      }
      const known = this.#world.find(key);
      if (known === null || this.#isGone(known)) continue;
      throw this.failureOf(node, new TypeError(`Two nodes have the id ${key}.`));
    }
    const messages = this.#scopes.flatMap((scope) => scope.messages);
    return {
      rendered: assemble(this.#rendered, (node) => this.#isAttached(node)),
      added: this.#added,
      doomed: this.#doomed,
      readings: this.#readings,
      layer: this.layer,
      messages,
      count: this.#count,
    };
  }

  /** It began, and its place vanished before the try was over. */
  #forget(node: ViewNode): void {
    this.#added.delete(node.key);
    this.#doomed.delete(node);
    this.#readings.get(node)?.drop();
    this.#readings.delete(node);
    node.end();
  }

  #isGone(node: ViewNode): boolean {
    for (let at: ViewNode | null = node; at !== null; at = at.parent) {
      if (this.#doomed.has(at) || at.isEnded) return true;
    }
    return false;
  }
}

// Most nodes have none: they share this.
const childless: readonly Child[] = [];
