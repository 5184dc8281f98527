import type { AnySchema } from '@holdfast/protocol';
import type { NodeId, UploadFault, UploadStatus } from '@holdfast/protocol/views';

/*
 * What a view is at run time: what `view()` and its helpers hand on, without the types that authors see (views.md §11).
 * Application code lives in it, so most of what goes in and out is `unknown`; everything that comes out is checked.
 */

/** A declaration of a view (views.md §11.1). */
export type ViewDefinition = {
  /** The `module` on the wire. */
  readonly name: string;
  readonly params?: AnySchema;
  readonly scope?: ViewScope;
  /** Milliseconds; each overrides the default of the app. */
  readonly linger?: number;
  /** Background cycles in a second. */
  readonly maxRate?: number;
  readonly mountTimeout?: number;
  readonly timeout?: number;
  readonly authorize?: (ctx: AuthorizeContext) => unknown;
  readonly mount?: (ctx: ViewContext) => unknown;
  readonly render: (state: unknown, h: RenderSlots, ctx: ViewContext) => unknown;
  readonly commands?: { readonly [name: string]: ActionDefinition };
  readonly messages?: { readonly [name: string]: ActionDefinition };
  readonly streams?: { readonly [name: string]: StreamDefinition };
  readonly uploads?: { readonly [name: string]: UploadDefinition };
  readonly events?: { readonly [name: string]: AnySchema };
  readonly async?: { readonly [name: string]: LoaderDefinition };
  readonly emits?: { readonly [name: string]: AnySchema };
  readonly use?: readonly ViewHooks[];
  readonly onProps?: (ctx: ViewContext, next: unknown, prev: unknown) => unknown;
  readonly onParams?: (ctx: ViewContext, next: unknown, prev: unknown) => unknown;
  readonly unmount?: (ctx: ViewContext) => unknown;
};

/** Who shares an instance: one connection has it, or all who ask for the same. */
export type ViewScope = 'connection' | 'shared';

/** A command, or a message, which only server code sends. */
export type ActionDefinition = {
  readonly input?: AnySchema;
  readonly reply?: AnySchema;
  readonly timeout?: number;
  readonly run: (ctx: ViewContext, input: unknown) => unknown;
};

/** A stream (views.md §8.3). */
export type StreamDefinition = {
  readonly key?: (item: unknown) => unknown;
  readonly limit?: number;
  readonly retain?: boolean;
  readonly trim?: 'start' | 'end';
};

/** An async value's loader; one that names a stream gives its items (views.md §9). */
export type LoaderDefinition = {
  readonly stream: string | null;
  readonly load: (ctx: ViewContext, arg: unknown) => unknown;
};

/** A file that is being uploaded, as hooks and tasks see it (views.md §10.5). */
export type UploadItem = {
  readonly ref: string;
  readonly name: string;
  readonly size: number;
  readonly type: string;
  readonly progress: number;
  readonly status: UploadStatus;
};

/** An upload (views.md §10.5). Sizes are bytes, times milliseconds. */
export type UploadDefinition = {
  readonly accept: readonly string[] | 'any';
  readonly maxEntries?: number;
  readonly maxFileSize?: number;
  readonly chunkSize?: number;
  readonly chunkTimeout?: number;
  readonly sniff?: boolean | ((head: Uint8Array, entry: UploadItem) => unknown);
  readonly external?: (ctx: ViewContext, entry: UploadItem) => unknown;
  readonly verify?: (ctx: ViewContext, entry: UploadItem) => unknown;
  readonly onProgress?: (ctx: ViewContext, entry: UploadItem) => unknown;
  readonly onComplete?: (ctx: ViewContext, entry: UploadItem) => unknown;
  readonly onError?: (ctx: ViewContext, entry: UploadItem, error: UploadFault) => unknown;
};

/** What is being called, as hooks see it. */
export type ViewCall = {
  readonly name: string;
  readonly payload: unknown;
  readonly storeId: NodeId;
};

/** Hooks around the commands of a node and of the nodes below it (views.md §11.1). */
export type ViewHooks = {
  readonly before?: (ctx: ViewContext, call: ViewCall) => unknown;
  readonly after?: (ctx: ViewContext, call: ViewCall, reply: unknown) => unknown;
};

/** What a `before` hook returns to answer in the command's stead; `kind` tells it from all else. */
export type Halt = { readonly kind: 'halt'; readonly reply: unknown };

/** What a callback of `consume` returns to leave its entry where it is (views.md §10.5). */
export const KEEP: unique symbol = Symbol('keep');

/** What `authorize` goes by. */
export type AuthorizeContext = {
  readonly principal: unknown;
  readonly params: unknown;
  readonly id: string;
  readonly signal: AbortSignal;
};

/** What `render` puts in the place of what is kept live by other means; good for one call of it (views.md §11.3). */
export type RenderSlots = {
  child(view: ViewDefinition, id: string, props?: unknown, options?: ChildOptions): unknown;
  stream(name: string): unknown;
  async(name: string): unknown;
  upload(name: string): unknown;
};

/** Which of its messages a parent runs for which signal of the child. */
export type ChildOptions = { readonly on?: { readonly [signal: string]: string } };

/** What application code has in hand (views.md §11.2). Outside a task, what changes something is queued as one. */
export type ViewContext = {
  readonly params: unknown;
  readonly id: string;
  readonly principal: unknown;
  readonly state: unknown;
  readonly signal: AbortSignal;
  update(change: unknown): void;
  store(name: string, options?: StoreOptions): unknown;
  /** Returns what ends it. */
  watch(read: () => unknown, callback?: WatchCallback): () => void;
  after(ms: number, callback: TimerCallback): () => void;
  every(ms: number, callback: TimerCallback): () => void;
  send(name: string, payload: unknown, options?: { readonly to?: Recipients }): void;
  stream(name: string): StreamHandle;
  readonly async: AsyncHandles;
  readonly uploads: UploadHandles;
  emit(name: string, payload?: unknown): void;
  /** Whether there is such a node; its message runs within this task. */
  tell(path: readonly string[], message: string, payload?: unknown): boolean;
};

/** Who is meant by an event of a shared view (views.md §9). */
export type Recipients = 'all' | 'caller' | ((principal: unknown) => unknown);

export type WatchCallback = (ctx: ViewContext, value: unknown, previous: unknown) => unknown;
export type TimerCallback = (ctx: ViewContext) => unknown;

/** Whose rights a store is used with: the server's own if it does not say. */
export type StoreOptions = { readonly as?: 'principal' };

/** Where an item goes: −1 the end, 0 the front; `limit` null: no limit (views.md §8.1). */
export type StreamPlace = { readonly at?: number; readonly limit?: number | null };

/** One stream of a node, to be changed (views.md §8.3). */
export type StreamHandle = {
  reset(items?: readonly unknown[], place?: StreamPlace): void;
  insert(item: unknown, place?: StreamPlace): void;
  delete(item: unknown): void;
  deleteKey(key: string): void;
  update(item: unknown): void;
  /** What is held of it, in JSON form; only a retained stream has it. */
  items(): readonly unknown[];
};

/** The async values of a node, to be started and cancelled (views.md §9). */
export type AsyncHandles = {
  start(name: string, arg?: unknown, options?: AsyncOptions): void;
  cancel(name: string): void;
};

export type AsyncOptions = {
  /** Forgets the result until the next one is there. */
  readonly reset?: boolean;
  readonly timeout?: number;
  readonly abortPrevious?: boolean;
};

/** The uploads of a node (views.md §10.5). */
export type UploadHandles = {
  entries(name: string): readonly UploadItem[];
  cancel(name: string, ref: string): void;
  /** `file` is what the host makes of the content; null: it is external. */
  consume(
    name: string,
    take: (entry: UploadItem, file: unknown) => unknown,
  ): Promise<readonly unknown[]>;
};
