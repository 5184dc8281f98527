import type { AnyContext } from './task-context.ts';
import type { Soon } from './env.ts';

/** What a hook is told about the command on its way (views.md §11.1). */
export type Call = {
  readonly name: string;
  readonly payload: unknown;
  readonly storeId: readonly string[];
};

/** What a hook has at hand: of a view that it does not know. */
export interface UseContext extends AnyContext {}

/** Runs around the commands of a node and of those below it; `before` from the root down, `after` too (views.md §11.1). */
export type Use = {
  readonly before?: (ctx: UseContext, call: Call) => Soon<Halt | void>;
  readonly after?: (ctx: UseContext, call: Call, reply: unknown) => Soon<void>;
};

/** A command that goes no further; made by {@link halt}. */
export type Halt = { readonly kind: 'halt'; readonly reply: object };

/** Returned by `before`: the command is answered with this, its handler is not called, what hooks changed is kept. */
export function halt(reply: object = {}): Halt {
  return Object.freeze({ kind: 'halt', reply });
}
