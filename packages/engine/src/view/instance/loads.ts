import { RejectedError } from '@holdfast/protocol';
import type { Json } from '@holdfast/protocol';
import { toWire } from '../../data/index.ts';
import { asyncValue } from './async-value.ts';
import { asyncCell } from './asyncs.ts';
import { refusalOf, untold } from './command.ts';
import { Context } from './context.ts';
import { Layer } from './layer.ts';
import type { ViewNode } from './node.ts';
import { Scope } from './scope.ts';
import type { InstanceEffect } from './types.ts';
import type { Load, World } from './world.ts';

type Run = {
  readonly load: Load;
  readonly controller: AbortController;
  readonly since: number;
  stop: () => void;
};

type Outcome = Extract<InstanceEffect, { type: 'loaded' }>['outcome'];

/** What runs of loaders ask of the rest of the instance. */
export type LoadHost = {
  readonly world: World;
  readonly enter: (run: () => void) => void;
  readonly merge: (layer: Layer) => void;
};

/** The loaders that run. Only the newest run of a value changes it; none outlives its node (views.md §9). */
export class Loads {
  readonly #host: LoadHost;
  readonly #runs = new Map<ViewNode, Set<Run>>();

  constructor(host: LoadHost) {
    this.#host = host;
  }

  start(load: Load): void {
    const { node, name, options } = load;
    if (node.isEnded) return;
    if (options.abortPrevious === true) this.abort(node, name);
    const controller = new AbortController();
    const since = this.#host.world.ports.now();
    const run: Run = { load, controller, since, stop: () => undefined };
    const runs = this.#runs.get(node) ?? this.#follow(node);
    runs.add(run);
    run.stop = this.#setClock(run);
    const land = (outcome: Outcome, then: () => void): void => {
      if (!runs.delete(run)) return;
      run.stop();
      this.#host.enter(() => {
        this.#over(run, outcome);
        then();
      });
    };
    this.#call(load, controller.signal).then(
      (value: unknown) => land('ok', () => this.#landed(load, value)),
      (error: unknown) =>
        land('failed', () => this.#failed(load, reasonOf(this.#host.world, load, error))),
    );
  }

  /** Aborts all runs of a value. */
  abort(node: ViewNode, name: string): void {
    const runs = this.#runs.get(node) ?? [];
    for (const run of runs) if (run.load.name === name) this.#end(node, run, 'cancelled');
  }

  #follow(node: ViewNode): Set<Run> {
    const runs = new Set<Run>();
    this.#runs.set(node, runs);
    node.whenEnded(() => {
      for (const run of runs) this.#end(node, run, 'cancelled');
      this.#runs.delete(node);
    });
    return runs;
  }

  #over({ load, since }: Run, outcome: Outcome): void {
    const { ports } = this.#host.world;
    ports.perform({ type: 'loaded', name: load.name, ms: ports.now() - since, outcome });
  }

  #end(node: ViewNode, run: Run, outcome: Outcome): void {
    run.stop();
    this.#runs.get(node)?.delete(run);
    this.#over(run, outcome);
    run.controller.abort();
  }

  #setClock(run: Run): () => void {
    const { node, options } = run.load;
    const { world, enter } = this.#host;
    if (options.timeout === undefined) return () => undefined;
    return world.alarms.set(world.ports.now() + options.timeout, () =>
      enter(() => {
        this.#end(node, run, 'timeout');
        this.#failed(run.load, { kind: 'exit', value: 'timeout' });
      }),
    );
  }

  async #call({ node, name, arg }: Load, signal: AbortSignal): Promise<unknown> {
    const scope = new Scope(new Layer(null), null);
    scope.finish();
    const ctx = new Context(this.#host.world, { node, scope }, { signal });
    const value = await node.view.async?.[name]?.load(ctx, arg);
    return value;
  }

  #landed(load: Load, value: unknown): void {
    const { node, name, run, options } = load;
    if (!this.#isNewest(load)) return;
    const layer = new Layer(this.#host.world.top);
    const { world } = this.#host;
    const cell = asyncCell(node, name);
    try {
      const stream = node.view.async?.[name]?.stream ?? null;
      const of = { status: 'ok', reason: null } as const;
      if (stream === null) {
        const depthMax = world.config.limits.tree_depth;
        const { value: result, ...size } = toWire(value, undefined, { depthMax });
        cell.write(layer, asyncValue(run, { ...of, result }, size));
      } else {
        fill(world, layer, { node, stream, items: value, reset: options.reset === true });
        cell.write(layer, asyncValue(run, { ...of, result: cell.read(null).result }));
      }
    } catch (error) {
      layer.drop();
      this.#failed(load, reasonOf(world, load, error));
      return;
    }
    layer.dirty.add(node);
    this.#host.merge(layer);
  }

  #failed(load: Load, reason: Json): void {
    if (!this.#isNewest(load)) return;
    const { node, name, run } = load;
    const layer = new Layer(this.#host.world.top);
    const cell = asyncCell(node, name);
    const { result, size } = cell.read(this.#host.world.top);
    cell.write(layer, asyncValue(run, { status: 'failed', result, reason }, size));
    layer.dirty.add(node);
    this.#host.merge(layer);
  }

  #isNewest({ node, name, run }: Load): boolean {
    return !node.isEnded && asyncCell(node, name).read(this.#host.world.top).run === run;
  }
}

function fill(
  world: World,
  layer: Layer,
  of: {
    readonly node: ViewNode;
    readonly stream: string;
    readonly items: unknown;
    readonly reset: boolean;
  },
): void {
  if (!Array.isArray(of.items)) throw new TypeError('The loader of a stream must give a list.');
  const items: readonly unknown[] = of.items;
  const handle = new Context(world, { node: of.node, scope: new Scope(layer, null) }).stream(
    of.stream,
  );
  if (of.reset) handle.reset(items);
  else for (const item of items) handle.insert(item);
}

/** What a client is told of a failed load: nothing of it, unless the loader said no (views.md §9). */
function reasonOf(world: World, { node, name }: Load, error: unknown): Json {
  const refusal = error instanceof RejectedError ? refusalOf(error) : null;
  if (refusal === null) {
    const id = world.fault(`async ${name}`, node, untold(error));
    return { kind: 'exit', value: { code: 'internal_error', id } };
  }
  const { value: data } = toWire(refusal.data ?? null, undefined, { depthMax: 64 });
  const code = refusal.reason;
  return { kind: 'error', value: refusal.data === undefined ? { code } : { code, data } };
}
