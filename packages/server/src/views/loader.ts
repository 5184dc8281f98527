import type { Env, PrincipalOf, Soon, StoresOf } from './env.ts';
import type { OpenViewStore } from './store-handle.ts';

/** What a loader is given (views.md §9). */
export type LoaderContext<E extends Env> = {
  /** In shared views, reading it throws. */
  readonly principal: PrincipalOf<E>;
  readonly params: unknown;
  readonly id: string;
  /** Aborted by cancel, timeout and the end of the node. */
  readonly signal: AbortSignal;
  readonly store: OpenViewStore<StoresOf<E>>;
};

/** A declared async value; made by {@link Loaders}. `stream`: its items go into that stream. */
export type LoaderDeclaration<Arg, Data> = {
  readonly kind: 'loader';
  readonly stream: string | null;
  readonly load: (ctx: never, arg: Arg) => Soon<Data>;
};

/** What starts a declared async value. */
export type ArgOf<Declaration> =
  Declaration extends LoaderDeclaration<infer Arg, infer _> ? Arg : never;

/** What a declared async value becomes. */
export type DataOf<Declaration> =
  Declaration extends LoaderDeclaration<infer _, infer Data> ? Data : never;

/** Declares async values (views.md §9). */
export type Loaders<E extends Env> = {
  <Arg, Data>(load: (ctx: LoaderContext<E>, arg: Arg) => Soon<Data>): LoaderDeclaration<Arg, Data>;
  /** One whose items go into a stream of the node, in the same envelope as its status. */
  stream<Arg, Item>(
    name: string,
    load: (ctx: LoaderContext<E>, arg: Arg) => Soon<readonly Item[]>,
  ): LoaderDeclaration<Arg, readonly Item[]>;
};

/** Starts and cancels async values of a node (views.md §9). */
export type AsyncHandle<Declarations> = {
  start<Name extends keyof Declarations & string>(
    name: Name,
    arg: ArgOf<Declarations[Name]>,
    options?: StartOptions,
  ): void;
  cancel(name: keyof Declarations & string): void;
};

/** How a run starts: `reset` forgets the last result, `abortPrevious` aborts the run before. */
export type StartOptions = {
  readonly reset?: boolean;
  /** Milliseconds after which it has failed with `timeout`. Default: it may take as long as it does. */
  readonly timeout?: number;
  readonly abortPrevious?: boolean;
};

function declare<Arg, Data>(
  load: (ctx: never, arg: Arg) => Soon<Data>,
): LoaderDeclaration<Arg, Data> {
  return Object.freeze({ kind: 'loader', stream: null, load });
}

/** Declares an async value. */
export const loader: Loaders<{}> = Object.assign(declare, {
  stream: <Arg, Item>(
    name: string,
    load: (ctx: never, arg: Arg) => Soon<readonly Item[]>,
  ): LoaderDeclaration<Arg, readonly Item[]> =>
    Object.freeze({ kind: 'loader', stream: name, load }),
});
