import { HoldfastError, isPromised, passSchema, type StandardSchema } from '@holdfast/protocol';
import { toWire } from '../../data/index.ts';
import type {
  AsyncHandles,
  AsyncOptions,
  Recipients,
  StoreOptions,
  StreamHandle,
  UploadHandles,
  ViewContext,
  WatchCallback,
} from '../definition.ts';
import { type AsyncValue, asyncValue, isLoading } from './async-value.ts';
import { asyncCell } from './asyncs.ts';
import { isAlike } from './equal.ts';
import { frozen } from './frozen.ts';
import type { Layer, Sending } from './layer.ts';
import { keyOf, type ViewNode } from './node.ts';
import type { Scope } from './scope.ts';
import { streamHandle, streamOf } from './streams.ts';
import { cancel, Timer, type TimerSpec } from './timer.ts';
import { Watch } from './watch.ts';
import type { World } from './world.ts';

const nothingYet = { result: null, size: { weight: 0, height: 0 } };

type Placing = {
  readonly isMounting?: boolean;
  readonly isReadOnly?: boolean;
  readonly signal?: AbortSignal;
};

/** What application code of one node has in hand, within one task and after it (views.md §11.2). */
export class Context implements ViewContext {
  readonly #world: World;
  readonly #node: ViewNode;
  readonly #scope: Scope;
  readonly #placing: Placing;

  constructor(
    world: World,
    of: { readonly node: ViewNode; readonly scope: Scope },
    placing: Placing = {},
  ) {
    this.#world = world;
    this.#node = of.node;
    this.#scope = of.scope;
    this.#placing = placing;
  }

  get id(): string {
    return this.#node.id;
  }

  get params(): unknown {
    this.#checkOpen();
    return this.#node.props.read(this.#seenFrom()).params;
  }

  get state(): unknown {
    this.#checkOpen();
    return this.#node.state.read(this.#seenFrom());
  }

  get principal(): unknown {
    const { isShared, config } = this.#world;
    if (!isShared) return config.principal;
    if (this.#scope.caller !== null) return this.#scope.caller.principal;
    throw new TypeError('In a shared view there is a principal only where somebody has called.');
  }

  get signal(): AbortSignal {
    if (this.#placing.signal !== undefined) return this.#placing.signal;
    const isTask = this.#scope.phase !== 'done' && this.#placing.isMounting !== true;
    return isTask ? this.#scope.signal : this.#node.signal;
  }

  // What can be called is told by getters, so that it works by its name alone: `run: ({ update, principal }) => …`.
  get update(): ViewContext['update'] {
    return (change) =>
      this.#act((layer) => updateState(this.#world, this.#node, { layer, change }));
  }

  get store(): ViewContext['store'] {
    return (name, options = {}) => this.#store(name, options);
  }

  get watch(): ViewContext['watch'] {
    return (read, callback) => this.#watch(read, callback);
  }

  get after(): ViewContext['after'] {
    return (ms, callback) => this.#setTimer({ ms, every: false, callback });
  }

  get every(): ViewContext['every'] {
    return (ms, callback) => this.#setTimer({ ms, every: true, callback });
  }

  get send(): ViewContext['send'] {
    return (name, payload, options = {}) => this.#send(name, payload, options.to ?? 'all');
  }

  get stream(): ViewContext['stream'] {
    return (name) => this.#stream(name);
  }

  get emit(): ViewContext['emit'] {
    return (name, payload = {}) => this.#emit(name, payload);
  }

  get tell(): ViewContext['tell'] {
    return (path, message, payload = {}) => {
      this.#check();
      const target = this.#world.find(keyOf([...this.#node.storeId, ...path]));
      if (target === null) return false;
      this.#deliver(target, message, payload);
      return true;
    };
  }

  #store(name: string, options: StoreOptions): unknown {
    this.#check();
    return this.#world.ports.store(name, options, {
      tracker: () => this.#world.tracker,
      isReadOnly: () => {
        this.#checkOpen();
        return this.#world.tracker !== null;
      },
      principal: () => this.principal,
    });
  }

  #watch(read: () => unknown, callback?: WatchCallback): () => void {
    const node = this.#node;
    const watch = new Watch({ node, read }, callback ?? null, (changed) =>
      this.#world.watchChanged(changed),
    );
    this.#act((layer) => {
      layer.watches.push(watch);
      layer.whenCommitted(
        () => watch.begin(),
        () => watch.end(),
      );
    });
    return () => cancel(this.#world, watch);
  }

  #send(name: string, payload: unknown, recipients: Recipients): void {
    const sent = checked(this.#node.view.events, name, { what: 'event', value: payload });
    const { value } = toWire(sent, undefined, this.#wireOptions());
    const to = this.#recipients(recipients);
    const event = { store_id: this.#node.storeId, name, payload: value };
    this.#act((layer) => layer.events.push({ node: this.#node, event, to }));
  }

  #stream(name: string): StreamHandle {
    const node = this.#node;
    const stream = streamOf(node, name, this.#world.isShared);
    const isMounting = this.#placing.isMounting === true && this.#scope.phase === 'open';
    const target = { node, stream, isMounting, ...this.#wireOptions() };
    return streamHandle(
      target,
      (change) => this.#act(change),
      () => this.#seenFrom(),
    );
  }

  get async(): AsyncHandles {
    return {
      start: (name, arg, options = {}) => this.#start(name, arg, options),
      cancel: (name) => this.#cancel(name),
    };
  }

  get uploads(): UploadHandles {
    this.#check();
    return this.#world.uploads.handlesFor(this.#node, this.#scope, (change) => this.#act(change));
  }

  #emit(name: string, payload: unknown): void {
    this.#check();
    const { parent, view } = this.#node;
    const value = checked(view.emits, name, { what: 'signal', value: payload });
    const { on } = this.#node.props.read(this.#seenFrom());
    const message = Object.hasOwn(on, name) ? on[name] : undefined;
    if (parent === null || message === undefined) return;
    this.#deliver(parent, message, value);
  }

  #deliver(node: ViewNode, name: string, payload: unknown): void {
    const { messages = {}, name: view } = node.view;
    if (!Object.hasOwn(messages, name)) throw new TypeError(`${view} has no message "${name}".`);
    this.#act((_, scope) => scope.messages.push({ node, name, payload }));
  }

  #recipients(to: Recipients): Sending['to'] {
    if (!this.#world.isShared || to === 'all') return 'all';
    if (to !== 'caller') return to;
    if (this.#scope.caller !== null) return this.#scope.caller.subscriber;
    throw new TypeError('There is no caller here to send an event to.');
  }

  #setTimer(spec: TimerSpec): () => void {
    const { ms } = spec;
    if (!(ms >= 0)) throw new RangeError(`A timer cannot take ${ms} ms.`);
    const world = this.#world;
    const timer = new Timer(world, this.#node, spec);
    const first = world.ports.now() + ms;
    this.#act((layer) => layer.whenCommitted(() => timer.arm(first)));
    return () => cancel(world, timer);
  }

  #start(name: string, arg: unknown, options: AsyncOptions): void {
    const [world, node] = [this.#world, this.#node];
    const cell = asyncCell(node, name);
    this.#act((layer) => {
      const run = world.nextRun();
      const isForgotten = options.reset === true && node.view.async?.[name]?.stream === null;
      // Of what has come by the time that this is committed: a load may have landed meanwhile.
      const begun = (before: AsyncValue): AsyncValue => {
        const { result, size } = isForgotten ? nothingYet : before;
        return asyncValue(run, { status: 'loading', result, reason: null }, size);
      };
      cell.write(layer, begun(cell.read(layer)), begun);
      layer.dirty.add(node);
      layer.whenCommitted(() => world.load({ node, name, run, arg, options }));
    });
  }

  #cancel(name: string): void {
    const [world, node] = [this.#world, this.#node];
    const cell = asyncCell(node, name);
    this.#act((layer) => {
      if (!isLoading(cell.read(layer))) return;
      const run = world.nextRun();
      const reason = { kind: 'exit', value: 'cancelled' };
      const ended = (before: AsyncValue): AsyncValue =>
        isLoading(before)
          ? asyncValue(run, { status: 'failed', result: before.result, reason }, before.size)
          : before;
      cell.write(layer, ended(cell.read(layer)), ended);
      layer.dirty.add(node);
      layer.whenCommitted(() => world.abortLoads(node, name));
    });
  }

  #act(change: (layer: Layer, scope: Scope) => void): void {
    this.#check();
    if (this.#world.tracker !== null || this.#placing.isReadOnly === true) {
      throw new TypeError(
        'Nothing can be changed from here: a render, a watch, or another reader.',
      );
    }
    if (this.#scope.phase === 'open') {
      change(this.#scope.layer, this.#scope);
      return;
    }
    const run = (_: ViewContext, scope: Scope): void => change(scope.layer, scope);
    this.#world.enqueue({ node: this.#node, where: 'update', run });
  }

  #check(): void {
    this.#checkOpen();
    if (this.#scope.phase === 'done' && this.#node.isEnded) throw new HoldfastError('closed');
  }

  /** What a task was cut off with is of no use to it any more (views.md §7.2). */
  #checkOpen(): void {
    if (this.#scope.phase === 'closed') throw new HoldfastError('closed');
  }

  #seenFrom(): Layer | null {
    return this.#scope.phase === 'open' ? this.#scope.layer : this.#world.top;
  }

  #wireOptions(): { readonly depthMax: number } {
    return { depthMax: this.#world.config.limits.tree_depth };
  }
}

/** Changes the state of a node by a recipe, or to another one; what is deep-equal changes nothing (views.md §11.3). */
function updateState(
  world: World,
  node: ViewNode,
  { layer, change }: { readonly layer: Layer; readonly change: unknown },
): void {
  const make = (base: unknown): unknown => {
    const next = isRecipe(change) ? produce(world, base, change) : change;
    return isAlike(base, next) ? base : frozen(world, next);
  };
  const state = node.state.read(layer);
  const next = make(state);
  if (next === state) return;
  node.state.write(layer, next, isRecipe(change) ? make : undefined);
  layer.dirty.add(node);
}

type Recipe = (draft: unknown) => unknown;

function isRecipe(change: unknown): change is Recipe {
  return typeof change === 'function';
}

function produce(world: World, base: unknown, recipe: Recipe): unknown {
  const isDraftable = typeof base === 'object' && base !== null;
  const atOnce: Recipe = (draft) => {
    const next = recipe(draft);
    // What it does later fails, and that is nobody's.
    if (isPromised(next)) throw new TypeError('The recipe of an update cannot be async.');
    return next;
  };
  return isDraftable ? world.ports.produce(base, atOnce) : (atOnce(base) ?? base);
}

/** Has a payload pass the schema of its name; throws where there is none, or it does not pass. */
function checked(
  declared: { readonly [name: string]: StandardSchema<unknown> } | undefined,
  name: string,
  { what, value }: { readonly what: string; readonly value: unknown },
): unknown {
  const schema =
    declared !== undefined && Object.hasOwn(declared, name) ? declared[name] : undefined;
  if (schema === undefined) throw new TypeError(`There is no ${what} "${name}" in this view.`);
  const passed = passSchema(schema, value);
  if ('value' in passed) return passed.value;
  throw new TypeError(`The payload of the ${what} "${name}" does not pass: ${passed.issue}.`);
}
