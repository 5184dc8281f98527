import { HoldfastError } from '@holdfast/protocol';
import type { ViewFault } from '@holdfast/protocol/views';
import { Answered, refusalOf, runMessages, untold } from './command.ts';
import { Context } from './context.ts';
import type { Commit } from './cycle-host.ts';
import { Layer } from './layer.ts';
import type { ViewNode } from './node.ts';
import { Scope } from './scope.ts';
import type { Work, World } from './world.ts';

/*
 * The one queue of an instance: tasks run one at a time, in the order in which they came, each to the end of its promise
 * (views.md §7.2). A task works in a layer of its own; when it is done, the layer goes into the next cycle, or a cycle of
 * its own makes it true; else it was never there.
 */

/** Work that a client waits for: it has a cycle of its own, and an answer (views.md §7.2). */
export type Request = {
  readonly caller: Work['caller'];
  readonly where: string;
  /** Finds the node when its turn has come; an answer if there is none. */
  readonly find: () => { readonly node: ViewNode; readonly timeout?: number } | ViewFault;
  /** Gives the response. */
  readonly run: (node: ViewNode, scope: Scope) => Promise<object>;
  readonly answer: (status: 'ok' | 'error', response: object, version: number) => void;
  /** The instance has ended before it had its turn: it was never there. */
  readonly abandon: () => void;
};

type Running = {
  readonly node: ViewNode;
  readonly where: string;
  readonly scope: Scope;
  readonly stopClock: () => void;
  /** It could not be done, and why. */
  readonly failed: (error: unknown) => void;
  /** It is over. */
  readonly over: () => void;
  /** The instance has ended in the middle of it. */
  readonly interrupted: () => void;
};

/** What the queue asks of the rest of the instance. */
export type TaskHost = {
  readonly world: World;
  /** Runs the function inside the instance, now or when what runs there is done. */
  readonly enter: (run: () => void) => void;
  /** Whether tasks may run: there was a first render, and there was no end. */
  readonly isLive: () => boolean;
  readonly version: () => number;
  readonly commit: (commit: Commit) => void;
  readonly merge: (layer: Layer) => void;
};

/** So much of a turn of the event loop the tasks that wait may take; the rest of it is for everybody else. */
const TURN_MS = 10;

export class Tasks {
  readonly #host: TaskHost;
  #queue: (Work | Request)[] = [];
  #running: Running | null = null;
  /** Since when one has followed the other in this turn; null where none waits. */
  #since: number | null = null;
  /** The next one waits for another turn. */
  #isResting = false;

  constructor(host: TaskHost) {
    this.#host = host;
  }

  get length(): number {
    return this.#queue.length;
  }

  /** Whether one runs, or waits for its turn. */
  get isBusy(): boolean {
    return this.#running !== null || this.#queue.length > 0;
  }

  /** What the one that runs has done so far. */
  get running(): Layer | null {
    const { scope } = this.#running ?? {};
    return scope?.phase === 'open' ? scope.layer : null;
  }

  /** What background tasks have done has changed below the task that runs. */
  rebase(top: Layer | null): void {
    this.#running?.scope.layer.rebase(top);
  }

  add(task: Work | Request): void {
    if (!('find' in task) && task.isAlone !== true && this.#isFull()) {
      this.#host.world.fault(task.where, task.node, new HoldfastError('overloaded'));
      task.over?.();
      return;
    }
    this.#queue.push(task);
    this.#host.enter(() => this.next());
  }

  #isFull(): boolean {
    return this.#queue.length >= this.#host.world.config.limits.queued_tasks;
  }

  /** Runs the next task if none runs. */
  next(): void {
    while (this.#running === null && this.#host.isLive() && !this.#mustRest()) {
      const task = this.#queue.shift();
      if (task === undefined) return;
      if ('find' in task) this.#startRequest(task);
      else this.#startWork(task);
    }
  }

  /** Another turn of the event loop. */
  turn(): void {
    if (!this.#isResting) return;
    this.#isResting = false;
    this.#since = null;
    this.next();
  }

  #mustRest(): boolean {
    if (this.#isResting) return true;
    const { ports } = this.#host.world;
    const now = ports.now();
    this.#since = this.#queue.length === 0 ? null : (this.#since ?? now);
    if (this.#since === null || now - this.#since <= TURN_MS) return false;
    this.#isResting = true;
    ports.perform({ type: 'turn' });
    return true;
  }

  /** Nothing runs any more. */
  end(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const task of queue) if ('find' in task) task.abandon();
    const running = this.#running;
    this.#running = null;
    running?.stopClock();
    running?.scope.close();
    running?.scope.layer.drop();
    running?.interrupted();
  }

  #startWork(work: Work): void {
    const { node, where, caller = null, over = nothing } = work;
    if (node.isEnded) {
      over();
      return;
    }
    const { world } = this.#host;
    const failed = (error: unknown): void => void world.fault(where, node, error);
    const running = this.#start(
      { node, where, caller, failed, over, interrupted: nothing },
      work.timeout,
    );
    const run = async (): Promise<void> => {
      const { scope } = running;
      await work.run(new Context(world, { node, scope }), scope);
      await runMessages(world, scope);
    };
    this.#settle(running, run(), () => {
      // What is below a task that runs follows what is merged: this one runs no more.
      this.#running = null;
      this.#host.merge(running.scope.layer);
      over();
      this.next();
    });
  }

  #startRequest(request: Request): void {
    const found = request.find();
    if ('reason' in found) {
      request.answer('error', found, this.#host.version());
      return;
    }
    const { node, timeout } = found;
    const { where, caller = null } = request;
    const failed = (error: unknown): void => {
      const response = refusalOf(error) ?? this.#internal(where, node, untold(error));
      request.answer('error', response, this.#host.version());
    };
    // It may have written to stores: it must not run again. That its client has gone is nobody's fault, and no operator's news.
    const interrupted = (): void =>
      request.answer('error', { reason: 'internal_error' }, this.#host.version());
    const running = this.#start(
      { node, where, caller, failed, over: nothing, interrupted },
      timeout,
    );
    this.#settle(running, request.run(node, running.scope), (response) => {
      this.#host.commit({
        layer: running.scope.layer,
        done: (version) => request.answer('ok', response, version),
        failed: (failure) => {
          running.scope.close();
          const reply = this.#internal(where, failure.node, failure.cause);
          request.answer('error', reply, this.#host.version());
        },
        rested: () => this.#finish(running),
      });
    });
  }

  #internal(where: string, node: ViewNode, error: unknown): ViewFault {
    return { reason: 'internal_error', id: this.#host.world.fault(where, node, error) };
  }

  #start(
    of: Omit<Running, 'scope' | 'stopClock'> & { readonly caller: Scope['caller'] },
    timeout: number | undefined,
  ): Running {
    const { world, enter } = this.#host;
    const scope = new Scope(new Layer(world.top), of.caller);
    const ms = timeout ?? of.node.view.timeout ?? world.config.limits.command_ms;
    const stopClock = world.alarms.set(world.ports.now() + ms, () =>
      enter(() => this.#cutOff(running)),
    );
    const { caller: _, ...rest } = of;
    const running: Running = { ...rest, scope, stopClock };
    this.#running = running;
    return running;
  }

  /** Its time is up: nothing of it was there, and the next one starts (views.md §7.2). */
  #cutOff(running: Running): void {
    if (this.#running !== running) return;
    this.#undo(running, new Answered({ reason: 'timeout' }));
  }

  #undo(running: Running, error: unknown): void {
    running.stopClock();
    running.scope.close();
    running.scope.layer.drop();
    running.failed(error);
    this.#finish(running);
  }

  #settle<T>(running: Running, result: Promise<T>, finish: (value: T) => void): void {
    const { enter } = this.#host;
    const isLate = (): boolean => this.#running !== running || running.scope.phase !== 'open';
    result.then(
      (value) =>
        enter(() => {
          if (isLate()) return;
          running.stopClock();
          running.scope.finish();
          finish(value);
        }),
      (error: unknown) =>
        enter(() => {
          if (!isLate()) this.#undo(running, error);
        }),
    );
  }

  #finish(running: Running): void {
    if (this.#running !== running) return;
    this.#running = null;
    running.over();
    this.next();
  }
}

function nothing(): void {
  // There is nothing to do.
}
