import type {
  AsyncSlot,
  AsyncState,
  EpochMs,
  HoldfastError,
  ModuleOf,
  NodeCommands,
  NodeEvents,
  NodeSnapshot,
  NoMembers,
  ParamsOf,
  RemoteNode,
  RootOf,
  Snapshot,
  StreamSlot,
  UploadSlot,
  ViewsOf,
} from '@holdfast/protocol';
import type { Release, Signal } from '@holdfast/engine/registry';
import type { DraftOf } from './draft.ts';
import type { InitialView } from './initial.ts';
import type { CacheUse } from './cache-options.ts';
import type { UploadHandle } from './upload.ts';

/** How a root is doing (views.md §12.3). `stale`: the last good state is shown, and a join is due or running. */
export type ViewHealth = {
  readonly state: 'mounting' | 'live' | 'stale' | 'failed' | 'unmounted';
  /** Since when it is in this state. */
  readonly since: EpochMs;
  /** How often a join was tried since it was last live. */
  readonly attempts: number;
  /** Why it failed, or the last join did. */
  readonly error?: HoldfastError;
  /** What the server calls this mount. */
  readonly instance?: string;
};

/** What a node can be when nothing is known of it: the app's type was not given. */
export type AnyNode = {
  readonly snapshot: unknown;
  readonly commands: {
    readonly [name: string]: { readonly payload: unknown; readonly reply: unknown };
  };
  readonly events: { readonly [name: string]: unknown };
  readonly uploads: { readonly [name: string]: unknown };
};

/**
 * The modules that a client of this app can mount: whatever text, when nothing is known of the app. Spelt out, so that
 * compilers list them to who has named another, and not the whole app.
 */
export type Modules<App> = unknown extends App ? string : keyof ViewsOf<App> & string;

/** A root of an app by its module. */
export type RootBy<App, M> = unknown extends App
  ? AnyNode
  : M extends ModuleOf<App>
    ? RootOf<App, M>
    : never;

type AnyParams = { readonly [name: string]: unknown };

/** The params of a root by its module. */
export type ParamsBy<App, M> = unknown extends App
  ? AnyParams
  : M extends ModuleOf<App>
    ? ParamsOf<App, M>
    : never;

/** An argument that may be left out where it has no member that must be there. */
type Needed<Name extends string, Value> = {} extends Value
  ? { readonly [N in Name]?: Value }
  : { readonly [N in Name]: Value };

/** How a root is mounted (views.md §12.2). */
export type ViewOptions<Params = AnyParams> = {
  /** Names it among those of its module; default `default`. */
  readonly id?: string;
  /** Ends the wait for `ready`, and the mount if nobody else holds it. */
  readonly signal?: AbortSignal | undefined;
  /** Shows what was there last time until the server answers; needs `viewCache`. */
  readonly cache?: CacheUse;
  /** What the server rendered before, as `renderOnce` gives it. */
  readonly initialData?: InitialView | undefined;
  /** False: shows what it is given, and asks the server nothing until somebody else wants it; for renders on a server. */
  readonly join?: boolean;
} & Needed<'params', Params>;

/** The options of a mount, which may be left out where the view needs no params. */
export type ViewArgs<Params> = {} extends Params
  ? readonly [options?: ViewOptions<Params>]
  : readonly [options: ViewOptions<Params>];

/** A hold on a mounted root (views.md §12.2). */
export interface ViewHandle<Types = AnyNode, Params = AnyParams> extends Disposable {
  /** Resolves when there is something to show; rejects when the first join is refused. */
  readonly ready: Promise<ViewProxy<Types>>;
  readonly proxy: ViewProxy<Types>;
  readonly params: Params;
  /** Uses other params now and at each later join; what is shown stays until their first envelope. */
  setParams(params: Params): Promise<void>;
  readonly health: Signal<ViewHealth>;
  /** Hears of each mount that did not go on where the last one was. */
  onRemount(listener: () => void): Release;
  /** Gives the hold up; the last one leaves the channel. */
  unmount(): void;
  /** What is shown comes from the cache. */
  readonly fromCache: boolean;
  /** The server is asked, and has not answered. */
  readonly isFetching: boolean;
  /** Resolves with the first envelope; rejects when the join fails. */
  readonly revalidated: Promise<void>;
}

/** How a command is sent (views.md §12.7). */
export type DispatchOptions<Types = unknown> = {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Edits a copy of the node's snapshot, which is shown until the server has answered. A new child is made by `child`. */
  readonly optimistic?: (draft: DraftOf<Types>) => void;
  /** False: it is refused while the root is not live, instead of waiting. */
  readonly queue?: boolean;
  /**
   * True: running twice does no harm, such as where the payload has an id of its own. It is then sent again after every
   * lost connection, also to a server that was started anew and remembers nothing.
   */
  readonly idempotent?: boolean;
};

type Arguments<Payload, Options> = {} extends Payload
  ? readonly [payload?: Payload, options?: Options]
  : readonly [payload: Payload, options?: Options];

type Loose = { readonly payload: unknown; readonly reply: unknown };
type Command<Types, Name> = Name extends keyof NodeCommands<Types>
  ? NodeCommands<Types>[Name]
  : Loose;
/** What a command of a node takes. */
export type PayloadOf<Types, Name> =
  Command<Types, Name> extends { readonly payload: infer P } ? P : NoMembers;
/** What a command of a node gives. */
export type ReplyOf<Types, Name> =
  Command<Types, Name> extends { readonly reply: infer R } ? R : NoMembers;

/** What every proxy has (views.md §12.6). */
export interface ProxyMembers<Types> {
  /** Never there: tells the type of a proxy's node. */
  readonly '~types'?: Types;
  /** The node's id within its root. */
  readonly $id: readonly string[];
  /** What is shown of it: deep, plain, frozen in development; undefined while it is not there. */
  $snapshot(): NodeSnapshot<Types> | undefined;
  /** Calls back when that is another. */
  $subscribe(listener: () => void): Release;
  /** Sends a command and gives its reply. */
  $dispatch<Name extends keyof NodeCommands<Types> & string>(
    name: Name,
    ...rest: Arguments<PayloadOf<Types, Name>, DispatchOptions<Types>>
  ): Promise<ReplyOf<Types, Name>>;
  /** Calls back with each event of this name, once. */
  $on<Name extends keyof NodeEvents<Types> & string>(
    name: Name,
    listener: (payload: NodeEvents<Types>[Name]) => void,
  ): Release;
  $health(): ViewHealth;
}

/** What was rendered: with nodes as slots, as far as the app's type tells. */
type TreeOf<Types> = Types extends { readonly snapshot: infer Tree } ? Tree : unknown;

/** A field of a proxy: nodes are proxies, uploads handles, everything else as in the snapshot. */
type Field<Tree> = unknown extends Tree
  ? // oxlint-disable-next-line typescript/no-explicit-any -- nothing is known of it, and `unknown` could not be read
    any
  : Tree extends string | number | boolean | null | undefined
    ? Tree
    : Tree extends RemoteNode<infer Types>
      ? ViewProxy<Types>
      : Tree extends StreamSlot<infer Item>
        ? readonly Snapshot<Item>[]
        : Tree extends AsyncSlot<infer Data>
          ? AsyncState<Snapshot<Data>>
          : Tree extends UploadSlot
            ? UploadHandle
            : Tree extends { toISOString(): string } | { readonly href: string }
              ? string
              : Tree extends object
                ? { readonly [Member in keyof Tree]: Field<Tree[Member]> }
                : never;

/** A live node: its fields, and what it can do (views.md §12.6). Fields that begin with `$` are in the snapshot only. */
export type ViewProxy<Types = AnyNode> = ProxyMembers<Types> &
  (unknown extends TreeOf<Types>
    ? // oxlint-disable-next-line typescript/no-explicit-any -- as above
      { readonly [field: string]: any }
    : {
        readonly [
          Name in keyof TreeOf<Types> as Name extends `$${string}` | 'then' ? never : Name
        ]: Field<TreeOf<Types>[Name]>;
      });

/** The proxy of a root of an app by its module: what `view` and `useView` give. */
export type ProxyOf<App, M extends ModuleOf<App>> = ViewProxy<RootOf<App, M>>;

/** The node types that a proxy stands for. */
export type TypesOfProxy<Proxy> = Proxy extends { readonly '~types'?: infer Types }
  ? NonNullable<Types>
  : never;
