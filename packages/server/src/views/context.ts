import type { InputOf } from '@holdfast/protocol';
import type { Cancel, Draft, Env, PrincipalOf, Soon, StoresOf } from './env.ts';
import type { AsyncHandle } from './loader.ts';
import type { OpenViewStore } from './store-handle.ts';
import type { ItemOf, StreamHandle } from './stream.ts';
import type { UploadsHandle } from './uploads-handle.ts';

/** Whether each subscriber has an instance of its own, or all have one (views.md §11.7). */
export type ViewScope = 'connection' | 'shared';

/** What a view declares, as its contexts know it. */
export type Facets = {
  readonly env: Env;
  readonly scope: ViewScope;
  readonly params: unknown;
  readonly streams: unknown;
  readonly uploads: unknown;
  readonly events: unknown;
  readonly async: unknown;
  readonly emits: unknown;
};

type WithPrincipal<F extends Facets> = F['scope'] extends 'connection'
  ? { readonly principal: PrincipalOf<F['env']> }
  : unknown;

/** What is known before there is state: of a view that may not be mounted yet. */
export type AuthorizeContext<E extends Env, Params> = {
  readonly principal: PrincipalOf<E>;
  readonly params: Params;
  readonly id: string;
  readonly signal: AbortSignal;
};

/** What `render` reads (views.md §11.1); it changes nothing. */
export type RenderContext<F extends Facets> = WithPrincipal<F> & {
  readonly params: F['params'];
  readonly id: string;
  readonly store: OpenViewStore<StoresOf<F['env']>>;
};

/** Changes the state: by a recipe on a draft, or to another one. */
export type Update<State> = unknown extends State
  ? <Known>(change: Known | ((draft: Known) => Known | void)) => void
  : (change: State | ((draft: Draft<State>) => State | void)) => void;

/** To whom an event goes, in a shared view (views.md §9). */
export type Audience<E extends Env> = 'all' | 'caller' | ((principal: PrincipalOf<E>) => boolean);

type Acts<F extends Facets, State> = {
  readonly params: F['params'];
  readonly id: string;
  /** Of the task, or of the node where there is none. */
  readonly signal: AbortSignal;
  readonly state: State;
  readonly update: Update<State>;
  readonly store: OpenViewStore<StoresOf<F['env']>>;
  /**
   * Runs the callback as a task when what `read` reads has become another value; without one, renders. Where several values
   * follow each other before the task has its turn, it is given the last one, and the one that it was given before.
   */
  watch<Value>(
    read: () => Value,
    changed?: (ctx: TaskContext<F, State>, value: Value, previous: Value) => Soon<void>,
  ): Cancel;
  /** Runs a task once, after a time. */
  after(ms: number, run: (ctx: TaskContext<F, State>) => Soon<void>): Cancel;
  /** Runs a task again and again; runs neither overlap nor pile up. */
  every(ms: number, run: (ctx: TaskContext<F, State>) => Soon<void>): Cancel;
  /** Sends an event to the clients (views.md §9). */
  send<Name extends keyof F['events'] & string>(
    name: Name,
    payload: InputOf<F['events'][Name]>,
    options?: { readonly to?: Audience<F['env']> },
  ): void;
  stream<Name extends keyof F['streams'] & string>(
    name: Name,
  ): StreamHandle<ItemOf<F['streams'][Name]>>;
  readonly async: AsyncHandle<F['async']>;
  readonly uploads: UploadsHandle<F['uploads']>;
  /** Tells the parent, whose message named in `on` takes it. */
  emit<Name extends keyof F['emits'] & string>(
    name: Name,
    payload: InputOf<F['emits'][Name]>,
  ): void;
  /** Runs a message of a descendant; false where there is none. */
  tell(path: readonly string[], message: string, payload?: object): boolean;
};

/** What a task has at hand (views.md §11.2). */
export type TaskContext<F extends Facets, State> = WithPrincipal<F> & Acts<F, State>;

/** What a command has at hand: a task's, and who commands. */
export type CommandContext<F extends Facets, State> = Acts<F, State> & {
  readonly principal: PrincipalOf<F['env']>;
};
