import type { AsyncOptions, UploadHandles, ViewContext } from '../definition.ts';
import type { Alarms } from './alarms.ts';
import type { Layer } from './layer.ts';
import type { ViewNode } from './node.ts';
import type { Act, Caller, Scope } from './scope.ts';
import type { InstanceConfig, InstancePorts, Tracker } from './types.ts';
import type { Watch } from './watch.ts';

/** A piece of work that has its turn, with a context of the node (views.md §7.2). */
export type Work = {
  readonly node: ViewNode;
  /** For the operator's log. */
  readonly where: string;
  readonly run: (ctx: ViewContext, scope: Scope) => unknown;
  readonly caller?: Caller | null;
  /** There is never more than one of it: it waits for its turn however many others do. */
  readonly isAlone?: boolean;
  /** Milliseconds; absent: the view's own, or the app's. */
  readonly timeout?: number;
  /** Told once it is over, whatever came of it. */
  readonly over?: () => void;
};

/** A run of a loader. */
export type Load = {
  readonly node: ViewNode;
  readonly name: string;
  readonly run: number;
  readonly arg: unknown;
  readonly options: AsyncOptions;
};

/** What the parts of an instance ask of it. */
export interface World {
  readonly config: InstanceConfig;
  readonly ports: InstancePorts;
  readonly alarms: Alarms;
  /** Whether all see the same (views.md §11.7). */
  readonly isShared: boolean;
  /** Who reads, while `render` or a `watch` runs. */
  readonly tracker: Tracker | null;
  /** Calls something that reads. */
  reading<T>(tracker: Tracker, read: () => T): T;
  /** Reads for a watch for the first time; a promise: it must be done again when that has settled. */
  readWatch(watch: Watch): Promise<unknown> | null;
  /** What the task that runs has done so far; null: none runs. */
  readonly running: Layer | null;
  /** What the next task would see. */
  readonly top: Layer | null;
  readonly uploads: { handlesFor(node: ViewNode, scope: Scope, act: Act): UploadHandles };
  /** Queues work as a task. */
  enqueue(work: Work): void;
  find(key: string): ViewNode | null;
  /** What a node has read has changed. */
  readonly touch: (node: ViewNode) => void;
  watchChanged(watch: Watch): void;
  /** A number that no run of a loader had before. */
  nextRun(): number;
  load(load: Load): void;
  /** Aborts the runs of an async value. */
  abortLoads(node: ViewNode, name: string): void;
  /** Tells the operator; returns the opaque id of it. */
  fault(where: string, node: ViewNode, error: unknown): string;
}
