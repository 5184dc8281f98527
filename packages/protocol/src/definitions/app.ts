import type { StandardSchema } from './schema.ts';

/** A schema whatever it is for. */
export type AnySchema = StandardSchema<unknown>;

/** What may be given to a schema; without one, nothing. */
export type InputOf<Schema> = Schema extends {
  readonly '~standard': { readonly types?: { readonly input: infer Input } | undefined };
}
  ? Input
  : NoMembers;

/** What comes out of a schema; without one, nothing. */
export type OutputOf<Schema> = Schema extends {
  readonly '~standard': { readonly types?: { readonly output: infer Output } | undefined };
}
  ? Output
  : NoMembers;

/** An object without members: the payload of a command that takes none, the reply of one that gives none. */
export type NoMembers = { readonly [member: string]: never };

/** Commands as a client sees them: what goes up, what comes back (views.md §14). */
export type CommandTypes = {
  readonly [name: string]: { readonly payload?: unknown; readonly reply?: unknown };
};

/** What a client sees of one node of a view's tree: its snapshot, and what it can be asked (views.md §14). */
export type NodeTypes = {
  readonly snapshot: unknown;
  readonly commands?: CommandTypes;
  /** Payloads by name of event. */
  readonly events?: { readonly [name: string]: unknown };
  /** Names of uploads; their values do not matter. */
  readonly uploads?: { readonly [name: string]: unknown };
};

/** What a client sees of a root: a node, and the params of its join as its schema takes them. */
export type RootTypes = NodeTypes & { readonly params?: unknown };

/** Stands for a child in the `snapshot` of a {@link RemoteApp}, and in what `render` returns. */
export type RemoteNode<Types extends NodeTypes> = { readonly '~node': Types };

/** Stands for a stream in what `render` returns; in a snapshot it is a list. */
export type StreamSlot<Item> = { readonly '~stream': Item };

/** Stands for an async value in what `render` returns; in a snapshot it is an {@link AsyncState}. */
export type AsyncSlot<Data> = { readonly '~async': Data };

/** Stands for an upload in what `render` returns; in a snapshot it is an {@link UploadState}. */
export type UploadSlot = { readonly '~upload': true };

/** Why an async value failed: what its loader refused with, or how the run ended (views.md §9). */
export type AsyncReason =
  | { readonly kind: 'error'; readonly value: { readonly code: string; readonly data?: unknown } }
  | {
      readonly kind: 'exit';
      readonly value: 'timeout' | 'cancelled' | { readonly code: string; readonly id: string };
    };

/** An async value in a snapshot (views.md §9). While it loads again, and after a failure, the last data stays. */
export type AsyncState<Data> =
  | { readonly status: 'loading'; readonly data: Data | null; readonly error: null }
  | { readonly status: 'ok'; readonly data: Data; readonly error: null }
  | { readonly status: 'failed'; readonly data: Data | null; readonly error: AsyncReason };

/** What is wrong with an upload or one of its entries (views.md §10.1). */
export type UploadProblem = { readonly code: string; readonly message: string };

/** One file of an upload (views.md §10.2). */
export type UploadEntry = {
  readonly ref: string;
  readonly name: string;
  readonly size: number;
  readonly type: string;
  /** 0 to 100. */
  readonly progress: number;
  readonly status: 'pending' | 'uploading' | 'success' | 'error' | 'cancelled';
  readonly errors: readonly UploadProblem[];
};

/** What an upload takes (views.md §10.1). */
export type UploadConfig = {
  readonly accept: readonly string[] | 'any';
  readonly maxEntries: number;
  readonly maxFileSize: number;
  readonly chunkSize: number;
};

/** An upload in a snapshot (views.md §10.2, §12.11). */
export type UploadState = {
  readonly config: UploadConfig | null;
  readonly status: 'idle' | 'selecting' | 'uploading' | 'success' | 'error' | 'cancelled';
  readonly entries: readonly UploadEntry[];
  readonly errors: readonly UploadProblem[];
  /** Of all entries together, 0 to 100. */
  readonly progress: number;
};

/**
 * An app as its clients know it: types only, imported by `import type` (views.md §14). `app` of `@holdfast/server` makes
 * it; {@link RemoteApp} describes one that somebody else serves.
 */
export type App<
  Views extends { readonly [module: string]: RootTypes } = { readonly [module: string]: RootTypes },
  Records extends { readonly [name: string]: unknown } = { readonly [name: string]: unknown },
> = { readonly '~types'?: { readonly views: Views; readonly records: Records } };

/** The app of a server whose code is not at hand. */
export type RemoteApp<Views extends { readonly [module: string]: RootTypes }> = App<Views, {}>;

type TypesOf<A> = A extends { readonly '~types'?: infer Types } ? NonNullable<Types> : never;

/** The views of an app by module. */
export type ViewsOf<A> = TypesOf<A> extends { readonly views: infer Views } ? Views : never;

/** The records of an app by name: their definitions. */
export type RecordsOf<A> = TypesOf<A> extends { readonly records: infer Records } ? Records : never;

/** The modules that can be mounted. */
export type ModuleOf<A> = keyof ViewsOf<A> & string;

/** One view of an app. */
export type RootOf<A, M extends ModuleOf<A>> = ViewsOf<A>[M];

/** The params of a module as its schema takes them. */
export type ParamsOf<A, M extends ModuleOf<A>> =
  RootOf<A, M> extends { readonly params: infer Params } ? Params : NoMembers;

/** The snapshot of a module: plain data, as it came over the wire. */
export type SnapshotOf<A, M extends ModuleOf<A>> = NodeSnapshot<RootOf<A, M>>;

/** The commands of a module: `payload` and `reply` of each. */
export type CommandsOf<A, M extends ModuleOf<A>> = NodeCommands<RootOf<A, M>>;

/** The events of a module: the payload of each, as it came over the wire. */
export type EventsOf<A, M extends ModuleOf<A>> = NodeEvents<RootOf<A, M>>;

/** The uploads of a module by name. */
export type UploadsOf<A, M extends ModuleOf<A>> = NodeUploads<RootOf<A, M>>;

/** The snapshot of a node. */
export type NodeSnapshot<Types> = Types extends { readonly snapshot: infer Tree }
  ? Snapshot<Tree>
  : never;

/** The commands of a node, with what an absent `payload` or `reply` means filled in. */
export type NodeCommands<Types> = Types extends { readonly commands: infer Commands }
  ? {
      readonly [Name in keyof Commands]: {
        readonly payload: Commands[Name] extends { readonly payload: infer Payload }
          ? Payload
          : NoMembers;
        readonly reply: Commands[Name] extends { readonly reply: infer Reply }
          ? Snapshot<Reply>
          : NoMembers;
      };
    }
  : {};

/** The events of a node: payloads by name. */
export type NodeEvents<Types> = Types extends { readonly events: infer Events }
  ? { readonly [Name in keyof Events]: Snapshot<Events[Name]> }
  : {};

/** The uploads of a node by name. */
export type NodeUploads<Types> = Types extends { readonly uploads: infer Uploads } ? Uploads : {};

type Scalar = string | number | boolean | null | undefined;
type Dated = { toISOString(): string };
type Located = { readonly href: string; toJSON(): string };

/**
 * What a client sees of what `render` returns (views.md §14): a child is its snapshot, a stream a list, an async value
 * an {@link AsyncState}, an upload an {@link UploadState}; dates and URLs are texts.
 */
export type Snapshot<Tree> = unknown extends Tree
  ? Tree
  : Tree extends Scalar
    ? Tree
    : Tree extends RemoteNode<infer Types>
      ? NodeSnapshot<Types>
      : Tree extends StreamSlot<infer Item>
        ? readonly Snapshot<Item>[]
        : Tree extends AsyncSlot<infer Data>
          ? AsyncState<Snapshot<Data>>
          : Tree extends UploadSlot
            ? UploadState
            : Tree extends Dated | Located
              ? string
              : Tree extends object
                ? { readonly [Member in keyof Tree]: Snapshot<Tree[Member]> }
                : never;
