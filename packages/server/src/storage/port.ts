import type { Answer, Batch, LoggedOp } from '@holdfast/engine/authority';
import type {
  DeviceId,
  Entry,
  EpochMs,
  Json,
  OpId,
  Path,
  Seq,
  StoreName,
} from '@holdfast/protocol';
import type { Believed } from './settled.ts';

export type { Answer, Batch, LoggedOp };

/** A row of the table of stores (stores.md §1.1). */
export type StoreRow = {
  /** A UUID, drawn by the caller. */
  readonly id: string;
  readonly name: StoreName;
  readonly status: 'active' | 'archived';
  readonly incarnation: string;
  readonly insertedAt: EpochMs;
  readonly expiresAt: EpochMs | null;
};

/** An issued token (stores.md §11.1.2). The token itself is never stored. */
export type TokenRow = {
  readonly id: string;
  /** SHA-256 of the token, as 64 hex digits. */
  readonly hash: string;
  readonly last4: string;
  readonly name: string;
  readonly org: string;
  /** The subject that created it; null for the operator. */
  readonly creator: string | null;
  readonly scopes: readonly string[];
  readonly storeAccess:
    | { readonly mode: 'all' }
    | { readonly mode: 'selected'; readonly storeIds: readonly string[] };
  /** Path rules (stores.md §11.2.1); null: unrestricted. */
  readonly pathRules:
    | readonly { readonly pattern: string; readonly allow: readonly string[] }[]
    | null;
  /** Whether it may take part in presence (stores.md §10.8.1); null: as it has path rules or not. */
  readonly presence: boolean | null;
  /** Rates of its own by their names (stores.md §12.1.2); null: the server's. */
  readonly limits: { readonly [rate: string]: number } | null;
  readonly insertedAt: EpochMs;
  readonly expiresAt: EpochMs | null;
  readonly revokedAt: EpochMs | null;
  /** To the minute: see {@link TokenTable.touch}. */
  readonly lastUsedAt: EpochMs | null;
};

/** What a capver-3 device was last told of a store (stores.md §9.4.3). */
export type DeviceRecord = {
  readonly incarnation: string;
  readonly scope: string;
  /** A snapshot was sent and not yet confirmed. */
  readonly unconfirmed: boolean;
  /** Who joined as this device, null: anonymously; absent where that was not noted, as in records of schema versions before 9. */
  readonly subject?: string | null;
};

/** The newest op that removed leaves at or below a path without writing them again (stores.md §9.4.2). */
export type ClearMarker = { readonly path: Path; readonly seq: Seq };

/** Where a store stands. */
export type StoreHead = {
  readonly head: Seq;
  /** The first seq whose op is retained; head + 1 if none is (stores.md §13.1.1). */
  readonly oldestSeq: Seq;
  /** Every client op id committed since this instant is remembered (stores.md §10.1.3). */
  readonly dedupeSince: EpochMs;
};

/** A part of a store's state: at most 1000 rows. */
export type LoadChunk = {
  /** The seq that all chunks of one load show. */
  readonly seq: Seq;
  readonly entries: readonly Entry[];
  readonly maps: readonly (readonly [Path, Seq])[];
};

/**
 * How an append ended. Only `unknown` leaves a question: {@link Storage.open} settles it. A failure has the `reason` where the
 * storage could not do its work, and none where it may not.
 */
export type AppendResult =
  | { readonly status: 'stored' }
  | { readonly status: 'behind'; readonly head: Seq }
  | { readonly status: 'unknown' }
  | {
      readonly status: 'failed';
      readonly message: string;
      readonly reason?: StorageError['reason'];
    };

/** How much one {@link Storage.read} returns at most; the first op always passes. */
export type ReadLimit = {
  readonly ops: number;
  /** Of the JSON text of values, arguments and removed leaves. */
  readonly bytes?: number;
};

/** What a driver remembers and for how long: the floors of the spec, raised at will. */
export type Retention = {
  /** Dedupe records stay at least as long … (stores.md §6.2) */
  readonly answersMs: number;
  /** … and at least the last so many of each store stay. */
  readonly answers: number;
  /** Clear markers and device records stay at least as long (stores.md §9.4). */
  readonly resyncMs: number;
};

/** Why a storage cannot do its work; `reason` is a closed set, the message says what to do. */
export class StorageError extends Error {
  readonly reason: 'locked' | 'corrupt' | 'full' | 'newer_schema' | 'io';

  constructor(reason: StorageError['reason'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'StorageError';
    this.reason = reason;
  }
}

/** A store to be made. */
export type NewStore = {
  readonly id: string;
  readonly name: StoreName;
  readonly incarnation: string;
  readonly expiresAt: EpochMs | null;
  /** How many stores its org may then have, archived ones included; any number if absent (stores.md §12.3). */
  readonly most?: number;
};

/** The stores there are. Every change is durable when its promise resolves. */
export interface StoreTable {
  /** Adds an active, empty store; null if the name is taken, by an archived store too, or the id is, or the org is full. */
  create(store: NewStore): Promise<StoreRow | null>;
  /**
   * Adds an active store that begins with a state: its head is the seq of the chunks, its log is empty, and content that
   * its entries name is in use. All or nothing, and not seen before it is whole; null as for `create`, and then the chunks
   * may be left unread. Rejects with what the chunks reject with.
   */
  seed(store: NewStore, chunks: AsyncIterable<LoadChunk>): Promise<StoreRow | null>;
  get(id: string): Promise<StoreRow | null>;
  find(name: StoreName): Promise<StoreRow | null>;
  /** In the order of their names: those of one org, or of all; after a name; at most `limit`. */
  list(page: {
    readonly org?: string;
    readonly after?: StoreName;
    readonly limit: number;
  }): Promise<readonly StoreRow[]>;
  /** Active stores whose `expiresAt` is not after the instant (stores.md §1.1.3), at most `limit`, those first whose time came first. */
  expired(at: EpochMs, limit: number): Promise<readonly StoreRow[]>;
  /** False if there is no such store; so do the two below. */
  archive(id: string): Promise<boolean>;
  setExpiry(id: string, expiresAt: EpochMs | null): Promise<boolean>;
  /** Deletes the store with all it holds; its name is free at once. */
  purge(id: string): Promise<boolean>;
}

/** The tokens issued. Every change but `touch` is durable when its promise resolves. */
export interface TokenTable {
  /**
   * False if the id or the hash is there already; then nothing changes. Each that is made lets some be forgotten that had
   * been revoked or expired for 30 days (`tokenGraceMs`) by then.
   */
  create(token: TokenRow): Promise<boolean>;
  get(id: string): Promise<TokenRow | null>;
  /** By the SHA-256 of the token, in hex. Revoked and expired ones are found too, until they are forgotten. */
  find(hash: string): Promise<TokenRow | null>;
  /** All of one org, oldest first. */
  list(org: string): Promise<readonly TokenRow[]>;
  /** The orgs of all tokens, in order. */
  orgs(): Promise<readonly string[]>;
  /** False if there is no such token. A second revocation keeps the time of the first. */
  revoke(id: string, at: EpochMs): Promise<boolean>;
  /** Notes a use; cheap to call at every use, for it writes at most once a minute. */
  touch(id: string, at: EpochMs): Promise<void>;
}

/** What capver-3 devices know, by the name of the store, so that a store re-created under it is noticed. */
export interface DeviceTable {
  /** `forgotten`: there is none, and there may have been one that had to make room. */
  get(store: StoreName, device: DeviceId): Promise<DeviceRecord | 'forgotten' | null>;
  /**
   * Durable when it resolves. Repeating what is stored only marks it as used, and is cheap. Of a store 100,000 devices are
   * known at most (`devicesMax`), those used last: devices name themselves.
   */
  put(store: StoreName, device: DeviceId, record: DeviceRecord): Promise<void>;
}

/** The content that a file names: `sha256:<hex>`, and its size in bytes. */
export type FileContent = { readonly hash: string; readonly size: number };

/** A current entry that names some content. */
export type FilePlace = { readonly store: StoreRow; readonly path: Path; readonly value: Json };

/**
 * Which content is in use (stores.md §14). That entries and retained ops name it follows from appends and compaction, in
 * the same transaction; uploads and what the collector of garbage finds are told here. Changes are durable when their
 * promise resolves.
 *
 * A blob that nobody names passes three stages: free, since the first look that found it so; condemned, after 24 hours;
 * absolved, when its bytes are gone. An append that names it, and `spare`, end the first; nothing ends the second.
 */
export interface FileTable {
  /**
   * Keeps content from being condemned for 24 hours more, before an entry is to name it; with a store, also notes that it
   * was uploaded there. False, and nothing changes, if it is condemned: its bytes are about to go.
   */
  spare(content: FileContent, uploadedTo: string | null): Promise<boolean>;
  /** The size of content that the store holds: by a current entry, a retained op, or an upload of the last 24 hours. */
  held(store: string, hash: string): Promise<number | null>;
  /** The current entries of the org's stores that name the content, in any order. */
  places(hash: string, org: string): AsyncIterable<FilePlace>;
  /** The bytes of the distinct contents that the store's current entries name (stores.md §12.3). */
  usage(store: string): Promise<number>;
  /** The bytes of the distinct contents that were uploaded to the store in the last 24 hours and that no entry and no retained op of it names. */
  pending(store: string): Promise<number>;
  /** Looks at a blob: still named, or recently uploaded; free for less than 24 hours; or condemned, now or before. */
  condemn(hash: string): Promise<'named' | 'free' | 'condemned'>;
  /** A condemned blob is gone; what names it from now on must bring it. */
  absolve(hash: string): Promise<void>;
}

/** A webhook of a store (stores.md §17), and how far it has come. */
export type WebhookRow = {
  /** A UUID, drawn by the caller. */
  readonly id: string;
  /** The id of the store. */
  readonly store: string;
  readonly url: string;
  /** What deliveries are signed with; kept, for it is needed for each of them. */
  readonly secret: string;
  /** Scope patterns. */
  readonly patterns: readonly string[];
  /** The names of the ops that are told; null: all. */
  readonly ops: readonly string[] | null;
  readonly insertedAt: EpochMs;
} & WebhookStanding;

/** How far a webhook has come. */
export type WebhookStanding = {
  /** The last seq that was delivered, or did not match. */
  readonly cursor: Seq;
  /** Why nothing is delivered any more; null: it is active. */
  readonly inactiveReason: string | null;
  /** Failed attempts in a row. */
  readonly failures: number;
  /** When the next attempt is due after a failed one. */
  readonly retryAt: EpochMs | null;
};

/** One attempt to deliver. */
export type Delivery = {
  /** The same for every attempt to deliver the same. */
  readonly id: string;
  readonly seq: Seq;
  /** Null where there was no answer. */
  readonly statusCode: number | null;
  readonly responseMs: number;
  readonly error: string | null;
  readonly at: EpochMs;
};

/** An administrative act, by whom and on what. Nothing secret is in it. */
export type AuditAct = {
  readonly at: EpochMs;
  readonly org: string;
  /** Such as `token.revoked`. */
  readonly act: string;
  /** The subject of the principal; null: the operator, or the server itself. */
  readonly actor: string | null;
  /** The store it was done to, by id and by name, for it may be purged since. */
  readonly store: { readonly id: string; readonly name: string } | null;
  /** What in it, or beside it: the id of a token or webhook, or a path. */
  readonly target: string | null;
  readonly details: { readonly [name: string]: string | number | boolean | null };
};

/** An act that is kept. */
export type AuditRow = AuditAct & { readonly number: number };

/** What administrators did, of all stores and orgs; it outlives what it tells of, and is kept for 400 days at least. */
export interface AuditTable {
  /** Durable when it resolves. Numbers grow. */
  note(act: AuditAct): Promise<void>;
  /** Those of one org, newest first: before a number, if one is given; at most `limit`. */
  list(page: {
    readonly org: string;
    readonly before?: number;
    readonly limit: number;
  }): Promise<readonly AuditRow[]>;
}

/** A key under which something was asked for that is no commit of a store (stores.md §15.3). */
export type KeyRow = {
  /** Stands for who asked, where, and the key. */
  readonly name: string;
  /** Of what was asked for. */
  readonly print: number;
  readonly at: EpochMs;
  /** What was answered, as whoever keeps it wrote it; null: nothing yet, or the server stopped before. */
  readonly answer: string | null;
};

/** The keys of the last 24 hours. Changes are durable when their promise resolves. */
export interface KeyTable {
  /** Takes a key; if it was taken within 24 hours before, what is known of it, and nothing changes. */
  take(key: Omit<KeyRow, 'answer'>): Promise<KeyRow | null>;
  /** Notes what was answered to who took the key. */
  answer(name: string, answer: string): Promise<void>;
  /** Nothing was done under the key after all. */
  free(name: string): Promise<void>;
}

/** The webhooks of all stores. Changes are durable when their promise resolves; what a store had goes with it. */
export interface WebhookTable {
  /** Adds an active webhook whose cursor is the store's head; null if the store has `most` already, or is not there. */
  create(
    webhook: Omit<WebhookRow, keyof WebhookStanding>,
    most: number,
  ): Promise<WebhookRow | null>;
  get(id: string): Promise<WebhookRow | null>;
  /** Those of one store, or the active ones of all; oldest first. */
  list(of: { readonly store: string } | 'active'): Promise<readonly WebhookRow[]>;
  /** False if there is no such webhook; so does the next. */
  remove(id: string): Promise<boolean>;
  /** Notes how far it has come, and the attempt that brought it there, together. */
  note(id: string, standing: WebhookStanding, delivery: Delivery | null): Promise<boolean>;
  /** The attempts of the last 7 days, newest first, at most `limit`, and never more than the last 100. */
  deliveries(id: string, limit: number): Promise<readonly Delivery[]>;
}

/**
 * Where the logs of stores live, and what follows from them (design.md, Storage).
 *
 * - **Atomicity.** An append stores all of its batch or nothing, and is never seen in part.
 * - **Durability.** What resolves as `stored` survives the death of the process; with full durability, of the machine.
 *   What resolves as `failed` or `behind` is not stored and never will be.
 * - **Order.** A store's seqs are dense from 1. Of several appends that expect the same head, one is stored at most.
 *   After `stored`, every read sees it. Appends to different stores neither order nor fail each other.
 * - **Failure.** Methods other than `append` reject with {@link StorageError}; a malformed batch is a RangeError.
 *   A store that does not exist is null, empty, or `failed`, never an error.
 */
export interface Storage extends Believed {
  readonly stores: StoreTable;
  readonly tokens: TokenTable;
  readonly devices: DeviceTable;
  readonly files: FileTable;
  readonly webhooks: WebhookTable;
  readonly audit: AuditTable;
  readonly keys: KeyTable;
  /** Where the store stands; null if it does not exist. Settles an `unknown` append, or rejects while it cannot. */
  open(store: string): Promise<StoreHead | null>;
  /**
   * The state at one seq, entries in path order (UTF-8 bytes), then map revisions in path order. At least one chunk for a
   * store that exists. Appends go on meanwhile. The consumer ends the iteration, or holds a snapshot of the storage open.
   */
  load(store: string): AsyncIterable<LoadChunk>;
  /** Compare-and-append: stores the batch if `expected` is the head. At most about 256 ops are cheap to wait for. */
  append(store: string, expected: Seq, batch: Batch): Promise<AppendResult>;
  /** Retained ops with a seq greater than `after`, in seq order, none left out. It may end inside a commit. */
  read(store: string, after: Seq, limit: ReadLimit): Promise<readonly LoggedOp[]>;
  /**
   * The dedupe records of the ids, those there are, of each principal at least the last; each says whose it is, also when the
   * log has forgotten its op. And for each of the clients that has committed, a counter that no committed id of it exceeds.
   * The client of an op id `device:session:counter` is `device:session` (see {@link splitOpId}).
   */
  answers(store: string, asked: AnswersAsked): Promise<AnswersFound>;
  /** Clear markers with a seq greater than `after`, in seq order, at most `limit`. */
  markers(store: string, after: Seq, limit: number): Promise<readonly ClearMarker[]>;
  /**
   * Forgets ops up to `through`, oldest first, at most `limit` of them; returns the new `oldestSeq`. Entries, map
   * revisions, dedupe records and markers stay (stores.md §13.1.3).
   */
  compact(store: string, through: Seq, limit: number): Promise<Seq>;
  /** Bytes that all of the storage takes on its medium; 0 where it has none. */
  size(): Promise<number>;
  /** The wall clock that leases and records are stamped with. */
  now(): EpochMs;
  /** Finishes what was asked for, then lets go of everything. Later appends fail. */
  close(): Promise<void>;
}

/** What {@link Storage.answers} looks up. */
export type AnswersAsked = {
  readonly ids: readonly { readonly deviceId: DeviceId; readonly opId: OpId }[];
  readonly clients: readonly string[];
};

/** What {@link Storage.answers} found. */
export type AnswersFound = {
  readonly answers: readonly Answer[];
  readonly highs: ReadonlyMap<string, number>;
};
