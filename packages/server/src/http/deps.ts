import type { LoggedOp, LoneRequest, Quotas } from '@holdfast/engine/authority';
import type { Scope, Span, Tree } from '@holdfast/engine/data';
import type { Veil } from '@holdfast/engine/gate';
import type {
  EpochMs,
  Json,
  Limits,
  Path,
  Refusal,
  Rollback,
  Seq,
  StoreName,
  WriteReply,
} from '@holdfast/protocol';

import type { Access, AuditLog, Principal, Rates, TokenAuthority } from '../access/index.ts';
import type { Files } from '../files/index.ts';
import type { OAuthOptions } from './mcp/oauth.ts';
import type { Meters } from '../metrics/index.ts';
import type { Storage, StoreRow } from '../storage/port.ts';
import type { Looker } from '../storage/turn.ts';
import type { Webhooks } from '../webhooks/index.ts';
import type { Site } from './site-options.ts';

/** The figures of a store's `status` (stores.md §7.5); instants are RFC 3339. */
export type StoreFigures = {
  readonly current_seq: Seq;
  readonly entry_count: number;
  readonly op_count: number;
  readonly db_size_bytes: number;
  readonly file_storage_bytes: number;
  readonly latest_snapshot_seq: Seq | null;
  readonly latest_snapshot_at: string | null;
  readonly incarnation: string;
  readonly oldest_seq: Seq;
  /** At most 10, newest first. */
  readonly recent_ops: readonly {
    readonly store_seq: Seq;
    readonly op: string;
    readonly path: string;
    readonly inserted_at: string;
  }[];
};

/** Whether the server can do its work now (stores.md §19.2). */
export type Readiness = {
  readonly ok: boolean;
  readonly checks: { readonly [part: string]: string };
};

/** What a server has open, for its administrators. */
export type ServerFigures = {
  readonly uptime_ms: number;
  readonly sockets: number;
  readonly channels: { readonly store: number; readonly presence: number };
  readonly unsent_bytes: number;
  readonly lag_ops: number;
  readonly commits: number;
  readonly stores: readonly StoreGauges[];
};

/** An open store, as its authority stands. */
export type StoreGauges = {
  readonly row: StoreRow;
  readonly head: Seq;
  readonly leaves: number;
  readonly queued: number;
  readonly blocked: number;
  readonly phase: string;
};

/** Goes along the log with somebody who may not see all of it. */
export type Teller = {
  take(ops: readonly LoggedOp[]): readonly LoggedOp[];
  /** Whether what was taken in last has shown or hidden something that was there before. */
  readonly hasTurned: boolean;
};

/** A store as one request holds it open. */
export type OpenStore = {
  readonly row: StoreRow;
  /** Whether it takes no more writes, also since it is held open. */
  readonly archived: boolean;
  /** How many leaves of the committed state are leases, those that have ended included. */
  readonly leases: number;
  /** A root of the committed state that stays as it is. */
  view(): { readonly tree: Tree; readonly seq: Seq };
  /** What is committed at a path. */
  valueAt(path: Path): Json | undefined;
  /** Commits the request, or tells why not; rejects where the outcome is unknown. `mayStill`: whether it is still its sender's. */
  write(request: LoneRequest, mayStill?: () => Promise<boolean>): Promise<WriteReply | Refusal>;
  /** The last seq, and the first that the log retains. */
  standing(): { readonly head: Seq; readonly oldestSeq: Seq };
  /** A first part of the ops in (after, through]: whole commits. */
  read(after: Seq, through: Seq): Promise<readonly LoggedOp[]>;
  /** Hears of every commit until the returned function is called. */
  follow(follower: (ops: readonly LoggedOp[]) => void): () => void;
  /** Calls back, unless it is released, once it hears of nothing any more. */
  onLost(run: () => void): void;
  /** The state at a seq, or why there is none (stores.md §13.1.4). */
  past(seq: Seq, looker: Looker): Promise<Tree | Refusal>;
  /** The same to go back to, as it is asked for. */
  target(asked: Rollback, looker: Looker): Promise<Tree | Refusal>;
  /** What the ops in (from, to] did. */
  span(range: { readonly from: Seq; readonly to: Seq }, looker: Looker): Promise<Span>;
  /** Tells what a scope shows of the log after a seq: it takes in whole commits (records.md §17). */
  tell(told: { readonly scope: Scope; readonly after: Seq }, looker: Looker): Promise<Teller>;
  /** What a scope shows of the log from a seq down, newest first. */
  tellBackwards(
    shown: { readonly scope: Scope; readonly from: Seq },
    looker: Looker,
  ): AsyncIterable<LoggedOp>;
  release(): void;
};

/** Serves records as server-sent events to whom it is given. */
export type RecordStreams = {
  /** Whether no token is needed. */
  readonly isPublic: boolean;
  /** Whether records bind a principal as they bind no service, in a store or, where none is said, in any. */
  binds(principal: Principal, store: StoreName | null): boolean;
  serve(
    asked: { readonly request: Request; readonly body?: object; readonly ended?: () => void },
    reader: { readonly principal: Principal | null; readonly isStill: () => Promise<boolean> },
  ): Promise<Response>;
};

/** What the HTTP surface needs of the rest of the server. */
export type HttpDeps = {
  readonly storage: Pick<Storage, 'stores' | 'answers' | 'keys'>;
  /** Holds a store open until it is released. */
  readonly openStore: (storeId: string) => Promise<OpenStore>;
  /** Holds a store open for as long as `use` takes. */
  readonly withStore: <T>(storeId: string, use: (store: OpenStore) => T | Promise<T>) => Promise<T>;
  /** Tells somebody of the objects of which rules show another part through a veil by now, until the returned function is called. */
  readonly lookFor?: (onlooker: {
    readonly veil: Veil;
    readonly turned: (objects: readonly Path[]) => void;
  }) => () => void;
  readonly access: Access;
  /** What the records of a store hide from a principal; null: nothing. */
  readonly veilOf?: (
    principal: Principal,
    store: Pick<OpenStore, 'valueAt'> & { readonly row: Pick<StoreRow, 'name'> },
  ) => Veil | null;
  /** Records as server-sent events; absent: they are not served. */
  readonly records?: RecordStreams;
  readonly rates: Rates;
  readonly files: Files;
  readonly webhooks: Webhooks;
  readonly audit: AuditLog;
  /** Of each store (stores.md §12.3). */
  readonly quotas?: Quotas;
  readonly tokens: TokenAuthority;
  /** Of this server, as its package names it. */
  readonly version: string;
  /** Not ok while draining. */
  readonly ready: () => Readiness | Promise<Readiness>;
  /** Whether the server takes nothing new any more (stores.md §19.3). */
  readonly draining?: () => boolean;
  readonly now: () => EpochMs;
  /** Monotonic time and timers of what goes on for long. */
  readonly clock: {
    now(): number;
    setTimeout(run: () => void, ms: number): unknown;
    clearTimeout(handle: unknown): void;
  };
  /** Aborts when the server begins to drain: what streams without an end, ends. */
  readonly closing: AbortSignal;
  /** Draws a UUID. */
  readonly newId: () => string;
  readonly newIncarnation: () => string;
  /** Closes the store's channels; the store is archived by then, and purged only after it resolves. */
  readonly onStoreArchived: (id: string) => void | Promise<void>;
  /** Ends what follows a store that is there no more. */
  readonly onStorePurged: (id: string) => void | Promise<void>;
  /** Closes the token's sockets. */
  readonly onTokenRevoked: (id: string) => void | Promise<void>;
  /** Logs what failed inside; of it the answer carries the id, if anything. */
  readonly onFailure: (error: unknown, told?: { readonly errorId: string }) => void;
  readonly limits: Limits;
  /** How many stores an org may have (stores.md §12.3). Default: any number. */
  readonly storesMax?: number;
  /** Browser origins, other than the server's own, whose pages may read answers (stores.md §7.1.4). */
  readonly origins: readonly string[];
  /** Where the built console lies, if anywhere. */
  readonly consoleDirectory?: string;
  /** The application's own pages, instead of the console. */
  readonly site?: Site;
  readonly meters: Meters;
  /** Whether `/metrics` answers. Default: yes. */
  readonly tellsMetrics?: boolean;
  /** Who gives out tokens for agents. */
  readonly oauth?: OAuthOptions;
  /** What is open now. */
  readonly figures: () => ServerFigures;
  /** The figures of a store, as far as the principal may read. */
  readonly statusOf: (
    storeId: string,
    asker: { readonly principal: Principal; readonly looker: Looker },
  ) => Promise<StoreFigures>;
};
