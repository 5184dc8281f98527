import type { JsonObject } from '@holdfast/protocol';
import type {
  NodeId,
  UploadAddress,
  UploadConfig,
  UploadFault,
  UploadWish,
  ViewCommand,
  ViewFault,
  ViewLimits,
} from '@holdfast/protocol/views';
import type { StoreOptions, UploadDefinition, UploadItem, ViewDefinition } from '../definition.ts';
import type { CommandLedger } from './ledger.ts';
import type { Tail } from './tail.ts';

/** What an instance begins with. */
export type InstanceConfig = {
  readonly view: ViewDefinition;
  /** The mount id; the root's wire identity is `<view.name>:<id>`. */
  readonly id: string;
  /** They have passed the view's schema. */
  readonly params: unknown;
  /** Who is connected; in shared scope nobody in particular. */
  readonly principal: unknown;
  readonly limits: ViewLimits;
  /** Tells of what authors should know: a declared stream that is never placed. */
  readonly dev?: boolean;
};

/** What an instance needs of the world; made for one instance. */
export type InstancePorts = {
  /** Monotonic milliseconds. */
  now(): number;
  /** A new unguessable text, for refs of uploads and for failures. */
  id(): string;
  /** The result of a recipe on plain data, which itself stays as it is: drafts with structural sharing. */
  produce(base: unknown, recipe: (draft: unknown) => unknown): unknown;
  /** Does what an effect says. Called in order; what it gives back to the instance at once waits its turn there. */
  perform(effect: InstanceEffect): void;
  /** What application code gets for a store of this name. The instance holds it until it has ended. */
  store(name: string, options: StoreOptions, access: StoreAccess): unknown;
  readonly uploads: UploadPorts;
};

/** How a handle on a store is being used at this moment: ask at each call of it. */
export type StoreAccess = {
  /** Who reads, where reads are tracked: within `render` and within a `watch`. */
  tracker(): Tracker | null;
  /** Whether `render` or a `watch` runs: writes throw. */
  isReadOnly(): boolean;
  /** Who asks, for `as: 'principal'`; throws where nobody in particular does. */
  principal(): unknown;
};

/** Collects what `render` or a `watch` has read. */
export type Tracker = {
  /**
   * Notes that something was read. Unless the same key is followed already, `subscribe` is called: it has `changed`
   * called whenever the read would give something else, and returns what ends that.
   */
  follow(key: string, subscribe: (changed: () => void) => () => void): void;
  /** Breaks off the reading, by a throw, and has it done again when the promise has settled; a rejection fails it. */
  hold(until: Promise<unknown>): never;
};

/** What the host does for uploads (views.md §10.3, §10.5). */
export type UploadPorts = {
  /** Whether the connection of a subscriber has room for so many bytes more; absent: it always has. */
  admits?(subscriber: number, bytes: number): boolean;
  /** So many bytes will come under a ref, until it is discarded. */
  reserved?(subscriber: number, ref: string, bytes: number): void;
  /** A signed token for a file that comes over the socket. */
  token(ref: string): string;
  /** What `consume` hands on as the file of a completed entry. */
  file(ref: string): unknown;
};

/** What is known of a file before its bytes: for the host's part of the upload. */
export type UploadTarget = {
  readonly ref: string;
  readonly subscriber: number;
  readonly address: UploadAddress;
  readonly config: UploadConfig;
  /** As the view declares it. */
  readonly definition: UploadDefinition;
  readonly item: UploadItem;
  readonly mode: 'channel' | 'external';
};

/** What can happen to an instance. */
export type InstanceInput =
  /** The first: mounts and renders; `mounted` or `failed` follows. */
  | { readonly type: 'start' }
  /** Somebody has come, or come back with what was sent to it up to `resume`; `attached` or `lost` follows. */
  | {
      readonly type: 'attach';
      readonly subscriber: number;
      readonly capver4: boolean;
      readonly principal: unknown;
      readonly resume: number | null;
    }
  /** It has gone; kept: it may come back within `linger`. */
  | { readonly type: 'detach'; readonly subscriber: number; readonly keep: boolean }
  | {
      readonly type: 'command';
      readonly ticket: number;
      readonly subscriber: number;
      readonly command: ViewCommand;
      /** Where commands of this principal are remembered; null: it has no op id. */
      readonly ledger: CommandLedger | null;
    }
  /** A reply of the host's own, which must not overtake those of commands before it: a rate limit, a bad request. */
  | {
      readonly type: 'answer';
      readonly ticket: number;
      readonly subscriber: number;
      readonly response: ViewFault;
    }
  /** Params that have passed the view's schema. */
  | {
      readonly type: 'params';
      readonly ticket: number;
      readonly subscriber: number;
      readonly params: unknown;
      /** What they were made of, for whom they are told to. */
      readonly given?: unknown;
      /** Asked in its turn: why these may not be had; null: they may. */
      readonly authorize?: () => Promise<ViewFault | null>;
    }
  /** `server.tell`, from outside the tree. */
  | {
      readonly type: 'tell';
      readonly path: NodeId;
      readonly message: string;
      readonly payload: unknown;
    }
  | UploadInput
  /** The socket of a subscriber is over its soft limit: envelopes to it are skipped. */
  | { readonly type: 'lagging'; readonly subscriber: number }
  /** It is below half of it. */
  | { readonly type: 'recovered'; readonly subscriber: number }
  /** The end of the turn that `turn` asked for. */
  | { readonly type: 'turn' }
  /** The time that `wake` named. */
  | { readonly type: 'wake' }
  | { readonly type: 'end' };

/** What clients and the host's transfer do to uploads (views.md §10). */
export type UploadInput =
  | ({
      readonly type: 'allow_upload';
      readonly ticket: number;
      readonly subscriber: number;
      readonly entries: readonly UploadWish[];
    } & UploadAddress)
  | ({
      readonly type: 'cancel_upload';
      readonly ticket: number;
      readonly subscriber: number;
      readonly ref: string;
    } & UploadAddress)
  | ({
      readonly type: 'refresh_upload';
      readonly ticket: number;
      readonly subscriber: number;
      readonly ref: string;
    } & UploadAddress)
  | ({
      readonly type: 'upload_progress';
      readonly ticket: number;
      readonly subscriber: number;
      readonly ref: string;
      readonly progress: number;
    } & UploadAddress)
  | ({
      readonly type: 'upload_error';
      readonly ticket: number;
      readonly subscriber: number;
      readonly ref: string;
      readonly message: string;
    } & UploadAddress)
  /** Of a channel entry: so many percent are there; 100: all of it, checked. */
  | { readonly type: 'received'; readonly ref: string; readonly progress: number }
  /** The transfer of a channel entry has failed; null: it was left, or lost for good. */
  | { readonly type: 'broken'; readonly ref: string; readonly fault: UploadFault | null };

/** What an instance asks for. */
export type InstanceEffect =
  /** The first render is done. */
  | { readonly type: 'mounted' }
  /** There was no first render, for this cause; the instance has ended. */
  | { readonly type: 'failed'; readonly response: ViewFault; readonly cause: unknown }
  /** A bug of the machine, or of who performs what it asks for: there is no more of it. */
  | { readonly type: 'stopped'; readonly cause: unknown }
  /** Reply to the join; `send` of what it has missed follows at once. */
  | {
      readonly type: 'attached';
      readonly subscriber: number;
      readonly version: number;
      readonly resumed: boolean;
    }
  /** What it has missed is not to be had; the instance has nothing more for it, and ends if it was its own. */
  | { readonly type: 'lost'; readonly subscriber: number }
  /** One envelope to these, in this order with all else. */
  | {
      readonly type: 'send';
      readonly to: readonly number[];
      readonly base: number;
      readonly version: number;
      readonly tail: Tail;
    }
  /** The reply to a request; `version` goes beside it to capver 4 clients. */
  | {
      readonly type: 'reply';
      readonly ticket: number;
      readonly status: 'ok' | 'error';
      readonly response: JsonObject | ViewFault;
      readonly version: number;
    }
  /** The instance has other params from now on. */
  | { readonly type: 'params'; readonly params: unknown; readonly given: unknown }
  /** Ends the channel of a subscriber by `phx_error`; it is not attached any more. */
  | { readonly type: 'drop'; readonly subscriber: number }
  /** Nothing is known of it any more: its token is worth nothing. */
  | { readonly type: 'forgot'; readonly subscriber: number }
  /** An upload was let in; the bytes of a channel entry may come. */
  | { readonly type: 'opened'; readonly target: UploadTarget }
  /** Nothing of an upload is wanted any more: its transfer ends, its temp file goes. */
  | { readonly type: 'discard'; readonly ref: string }
  /** Send `turn` when what happens in this turn of the event loop has happened, and others have had their turns. */
  | { readonly type: 'turn' }
  /** Send `wake` at this time of `now`; replaces the former one. Infinity: not at all. */
  | { readonly type: 'wake'; readonly at: number }
  /** Application code has failed, for the operator's log. */
  | {
      readonly type: 'fault';
      readonly id: string;
      readonly where: string;
      readonly node: NodeId;
      readonly error: unknown;
    }
  /** For authors, in development. */
  | { readonly type: 'warn'; readonly text: string }
  /** What was done, for telemetry; times are milliseconds of `now`. */
  | {
      readonly type: 'rendered';
      readonly nodes: number;
      readonly renderMs: number;
      readonly diffMs: number;
      readonly ops: number;
    }
  /** A run of a loader is over; `cancelled`: its node ended, or somebody did not want it any more. */
  | {
      readonly type: 'loaded';
      readonly name: string;
      readonly ms: number;
      readonly outcome: 'ok' | 'failed' | 'timeout' | 'cancelled';
    }
  /** An upload that was let in is over. */
  | {
      readonly type: 'uploaded';
      readonly bytes: number;
      readonly ms: number;
      readonly outcome: 'complete' | 'broken' | 'cancelled';
    }
  | { readonly type: 'ended' };

/** An instance in plain data, for logs, the console and checkers. */
export type InstanceDescription = {
  readonly phase: 'new' | 'mounting' | 'live' | 'ended';
  readonly version: number;
  readonly nodes: number;
  readonly queued: number;
  /** Whether a task runs, or waits for its turn. */
  readonly isBusy: boolean;
  readonly subscribers: number;
  readonly logged: number;
};
