import type {
  AsyncSlot,
  InputOf,
  NodeTypes,
  NoMembers,
  OutputOf,
  RemoteNode,
  RootTypes,
  StreamSlot,
  UploadSlot,
} from '@holdfast/protocol';
import { isObject } from '@holdfast/protocol';
import { isModuleName } from '@holdfast/protocol/views';
import type {
  AuthorizeContext,
  CommandContext,
  Facets,
  RenderContext,
  TaskContext,
  ViewScope,
} from './context.ts';
import type { Env, Soon } from './env.ts';
import type { DataOf, LoaderDeclaration } from './loader.ts';
import type { ItemOf } from './stream.ts';
import type { UploadDeclaration } from './upload.ts';
import type { Use } from './use.ts';

/** A declared view; made by {@link view}. */
export type View<
  Name extends string = string,
  Types extends RootTypes = RootTypes,
  Emits = unknown,
> = {
  readonly kind: 'view';
  readonly name: Name;
  readonly '~types'?: Types;
  readonly '~emits'?: Emits;
};

/** What clients see of a view. */
export type ViewTypes<V> = V extends { readonly '~types'?: infer Types }
  ? NonNullable<Types>
  : never;

type NodeOf<V> = ViewTypes<V> extends infer Types extends NodeTypes ? RemoteNode<Types> : never;
type PropsOf<V> = ViewTypes<V> extends { readonly params: infer Params } ? Params : NoMembers;
type EmitsOf<V> = V extends { readonly '~emits'?: infer Emits } ? keyof NonNullable<Emits> : never;

/** What `render` puts into its output; it works during the call of `render` only (views.md §11.1). */
export type RenderHelpers<F extends Facets> = {
  /** A child view. `on` names the messages of this view that take what the child emits. */
  child<V extends View>(
    view: V,
    id: string,
    ...props: {} extends PropsOf<V>
      ? [props?: PropsOf<V>, options?: ChildOptions<V>]
      : [props: PropsOf<V>, options?: ChildOptions<V>]
  ): NodeOf<V>;
  stream<Name extends keyof F['streams'] & string>(
    name: Name,
  ): StreamSlot<ItemOf<F['streams'][Name]>>;
  async<Name extends keyof F['async'] & string>(name: Name): AsyncSlot<DataOf<F['async'][Name]>>;
  upload(name: keyof F['uploads'] & string): UploadSlot;
};

/** How a child is placed. */
export type ChildOptions<V> = {
  readonly on?: { readonly [Name in EmitsOf<V> & string]?: string };
};

type AnyStream = { readonly kind: 'stream' };

/** The schemas of a record of them. */
type Schemas<Named> = { readonly [Name in keyof Named]: Named[Name] };

/** What `run` returns: what its `reply` takes, or nothing. */
type ReplyOf<Schema> = [Schema] extends [{ readonly '~standard': unknown }]
  ? Soon<InputOf<Schema>>
  : Soon<void>;

type CommandTypesOf<Inputs, Replies> = {
  readonly [Name in keyof Inputs]: {
    readonly payload: InputOf<Inputs[Name]>;
    readonly reply: Name extends keyof Replies ? OutputOf<Replies[Name]> : NoMembers;
  };
};

type EventTypesOf<Events> = { readonly [Name in keyof Events]: OutputOf<Events[Name]> };

/** What a declaration says, as its contexts know it; an interface, so that it is named and not spelt out. */
interface Declared<
  E extends Env,
  Scope extends ViewScope,
  Params,
  Streams,
  Uploads,
  Events,
  Async,
  Emits,
> extends Facets {
  readonly env: E;
  readonly scope: Scope;
  readonly params: OutputOf<Params>;
  readonly streams: Streams;
  readonly uploads: Uploads;
  readonly events: Events;
  readonly async: Async;
  readonly emits: Emits;
}

/** The types of a view as its clients know them, named for the same reason. */
export interface DeclaredTypes<Params, Output, Inputs, Replies, Events, Uploads> {
  readonly params: InputOf<Params>;
  readonly snapshot: Output;
  readonly commands: CommandTypesOf<Inputs, Replies>;
  readonly events: EventTypesOf<Events>;
  readonly uploads: { readonly [Name in keyof Uploads]: unknown };
}

/** Declares a view (views.md §11.1). Inference follows source order: declarations first, then `mount`, `render`, `commands`. */
export type DeclareView<E extends Env> = <
  const Name extends string,
  Output extends object,
  State,
  Params,
  Streams,
  Uploads,
  Events,
  Async,
  Emits,
  Inputs,
  Replies,
  Messages,
  Scope extends ViewScope = 'connection',
  F extends Facets = Declared<E, Scope, Params, Streams, Uploads, Events, Async, Emits>,
>(declaration: {
  readonly name: Name;
  /** Whether each subscriber has an instance of its own (`connection`, the default), or all have one (`shared`). */
  readonly scope?: Scope;
  readonly params?: Params;
  /** How long an instance stays without a subscriber, in milliseconds; default 30,000. */
  readonly linger?: number;
  /** How often a second timers, stores and other background causes are rendered at most; default 60. Commands are at once. */
  readonly maxRate?: number;
  /** How long `mount` and the first render may take, in milliseconds; default 8,000. */
  readonly mountTimeout?: number;
  /** How long a command or message may take, in milliseconds, where it has no `timeout` of its own; default 30,000. */
  readonly timeout?: number;
  readonly streams?: { readonly [Stream in keyof Streams]: Streams[Stream] & AnyStream };
  readonly uploads?: { readonly [Upload in keyof Uploads]: Uploads[Upload] & UploadDeclaration };
  readonly events?: Schemas<Events>;
  readonly emits?: Schemas<Emits>;
  readonly async?: {
    readonly [Value in keyof Async]: Async[Value] & LoaderDeclaration<never, unknown>;
  };
  readonly use?: readonly Use[];
  /** Whether a subscriber is let in: at each join and return, and for other params. Default: whoever is connected. */
  readonly authorize?: (ctx: AuthorizeContext<E, OutputOf<Params>>) => Soon<unknown>;
  readonly mount?: (ctx: TaskContext<F, unknown>) => Soon<State>;
  readonly render: (state: State, h: RenderHelpers<F>, ctx: RenderContext<F>) => Output;
  readonly commands?: {
    readonly [Command in keyof Inputs]: {
      readonly input?: Inputs[Command];
      readonly timeout?: number;
      readonly run: (
        ctx: CommandContext<F, State>,
        input: OutputOf<Inputs[Command]>,
      ) => ReplyOf<Command extends keyof Replies ? Replies[Command] : undefined>;
    };
  } & { readonly [Command in keyof Replies]: { readonly reply?: Replies[Command] } };
  readonly messages?: {
    readonly [Message in keyof Messages]: {
      readonly input?: Messages[Message];
      readonly timeout?: number;
      readonly run: (ctx: TaskContext<F, State>, input: OutputOf<Messages[Message]>) => Soon<void>;
    };
  };
  readonly onProps?: (
    ctx: TaskContext<F, State>,
    next: OutputOf<Params>,
    previous: OutputOf<Params>,
  ) => Soon<void>;
  readonly onParams?: (
    ctx: TaskContext<F, State>,
    next: OutputOf<Params>,
    previous: OutputOf<Params>,
  ) => Soon<void>;
  readonly unmount?: (ctx: TaskContext<F, State>) => Soon<void>;
}) => View<Name, DeclaredTypes<Params, Output, Inputs, Replies, Events, Uploads>, Emits>;

/** Declares a view. Throws a `TypeError` for names that cannot be, and for declarations that contradict each other. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the types are what the declaration is for; it is returned as it is
export const view: DeclareView<{}> = declare as DeclareView<{}>;

type Untyped = { readonly name: string; readonly [key: string]: unknown };

function declare(declaration: Untyped): View {
  const { name, render } = declaration;
  if (typeof name !== 'string' || !isModuleName(name)) {
    throw new TypeError('view: "name" must be 1 to 200 of A-Z a-z 0-9 . _ -');
  }
  const unknown = Object.keys(declaration).find((key) => !keys.has(key));
  if (unknown !== undefined) {
    throw new TypeError(`view ${name}: there is no "${unknown}" in a view.`);
  }
  if (typeof render !== 'function') throw new TypeError(`view ${name}: "render" is missing.`);
  assertScope(declaration);
  assertLimits(declaration);
  assertLoaders(declaration);
  for (const kind of ['commands', 'events'] as const) {
    const reserved = Object.keys(declaration[kind] ?? {}).find(isReserved);
    if (reserved === undefined) continue;
    throw new TypeError(`view ${name}: the name "${reserved}" in "${kind}" is reserved.`);
  }
  const strange = schemasOf(declaration).find(([, schema]) => !isSchema(schema));
  if (strange !== undefined) {
    throw new TypeError(`view ${name}: "${strange[0]}" must be a Standard Schema.`);
  }
  return Object.freeze({ ...declaration, kind: 'view' });
}

/** Whoever comes is shown what is in the streams of a shared view: they are held, and no longer than their limit (views.md §8.3). */
function assertScope({ name, scope = 'connection', streams }: Untyped): void {
  if (scope === 'connection') return;
  if (scope !== 'shared') {
    throw new TypeError(`view ${name}: "scope" must be "connection" or "shared".`);
  }
  const all = Object.entries(streams ?? {});
  const endless = all.find(([, of]) => isObject(of) && of['limit'] === undefined);
  if (endless === undefined) return;
  throw new TypeError(`view ${name}: the stream "${endless[0]}" of a shared view needs "limit".`);
}

/** With other numbers nothing would be shown in time, or ever (views.md §11.1). */
function assertLimits(declaration: Untyped): void {
  const { name, linger, commands, messages } = declaration;
  if (linger !== undefined && !(Number(linger) >= 0)) {
    throw new RangeError(`view ${name}: "linger" must be 0 or more.`);
  }
  const actions = [...Object.entries(commands ?? {}), ...Object.entries(messages ?? {})];
  const limits: readonly (readonly [string, unknown])[] = [
    ...['maxRate', 'mountTimeout', 'timeout'].map((key) => [key, declaration[key]] as const),
    ...actions.map(([action, of]: [string, unknown]) => {
      return [`timeout of ${action}`, isObject(of) ? of['timeout'] : undefined] as const;
    }),
  ];
  const wrong = limits.find(([, limit]) => limit !== undefined && !(Number(limit) > 0));
  if (wrong === undefined) return;
  throw new RangeError(`view ${name}: "${wrong[0]}" must be more than 0.`);
}

/** A loader of items has a stream to put them into. */
function assertLoaders({ name, async: loaders, streams }: Untyped): void {
  for (const [loader, of] of Object.entries(loaders ?? {})) {
    const stream = isObject(of) ? of['stream'] : null;
    if (typeof stream !== 'string' || Object.hasOwn(streams ?? {}, stream)) continue;
    throw new TypeError(`view ${name}: "${loader}" loads the stream "${stream}", which is none.`);
  }
}

/** What passes values of a view, by where it is declared. The types leave that open, for compilers are much quicker so. */
function schemasOf(declaration: Untyped): readonly (readonly [string, unknown])[] {
  const { params, events, emits, commands, messages } = declaration;
  const actions = [...Object.entries(commands ?? {}), ...Object.entries(messages ?? {})];
  return [
    ['params', params] as const,
    ...Object.entries(events ?? {}),
    ...Object.entries(emits ?? {}),
    ...actions.flatMap(([action, of]: [string, unknown]) =>
      isObject(of) ? [[action, of['input']] as const, [action, of['reply']] as const] : [],
    ),
  ].filter(([, schema]) => schema !== undefined);
}

function isSchema(value: unknown): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return '~standard' in value;
}

function isReserved(name: string): boolean {
  return name.startsWith('musubi:') || name.startsWith('phx_');
}

const keys: ReadonlySet<string> = new Set([
  'name',
  'scope',
  'params',
  'linger',
  'maxRate',
  'mountTimeout',
  'timeout',
  'streams',
  'uploads',
  'events',
  'emits',
  'async',
  'use',
  'authorize',
  'mount',
  'render',
  'commands',
  'messages',
  'onProps',
  'onParams',
  'unmount',
]);
