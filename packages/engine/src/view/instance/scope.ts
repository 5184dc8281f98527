import type { ViewNode } from './node.ts';
import type { Layer } from './layer.ts';

/** Who has sent a command, or owns an upload. */
export type Caller = { readonly subscriber: number; readonly principal: unknown };

/** Has something done within the task, or as a task of its own where that is over. */
export type Act = (change: (layer: Layer) => void) => void;

/** A message that is to run within a task. */
export type Message = {
  readonly node: ViewNode;
  readonly name: string;
  readonly payload: unknown;
};

/**
 * One task, from its first step to its last: all contexts that it hands out share it. While it is open, what they do goes
 * into its layer; when it is done, it is queued as a task; when it was cut off, it throws (views.md §7.2, §11.2).
 */
export class Scope {
  phase: 'open' | 'done' | 'closed' = 'open';
  readonly layer: Layer;
  /** Null: nobody in particular. */
  readonly caller: Caller | null;
  readonly messages: Message[] = [];
  #controller: AbortController | null = null;

  constructor(layer: Layer, caller: Caller | null) {
    this.layer = layer;
    this.caller = caller;
  }

  /** Aborted when the task is cut off. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.phase === 'closed') this.#controller.abort();
    return this.#controller.signal;
  }

  /** It has done its work. */
  finish(): void {
    if (this.phase === 'open') this.phase = 'done';
  }

  /** It was cut off: by a failure, a timeout, or the end. */
  close(): void {
    this.phase = 'closed';
    this.#controller?.abort();
  }
}
