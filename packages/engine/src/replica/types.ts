import type {
  Entry,
  EpochMs,
  Glob,
  Json,
  Leaf,
  LeafType,
  MonotonicMs,
  OpId,
  OpName,
  Path,
  Refusal,
  Request,
  Seq,
  WriteReply,
} from '@holdfast/protocol';
import type { Tree } from '../data/index.ts';

/** Where one of this client's own requests stands (stores.md §18 C1, C7). */
export type PendingState =
  /** Not sent on this connection. */
  | { readonly state: 'queued' }
  | { readonly state: 'sent'; readonly at: MonotonicMs }
  /** Refused for now; sent again at the given time. */
  | { readonly state: 'waiting'; readonly until: MonotonicMs; readonly refusal: Refusal }
  /** Answered ok; its effect is kept until the replica has caught up to `seq`. */
  | { readonly state: 'answered'; readonly seq: Seq };

/** One unanswered request of this client, as the outbox lists it. */
export type PendingRequest = {
  readonly opId: OpId;
  readonly request: Request;
  readonly status: PendingState;
  readonly attempts: number;
  readonly createdAt: EpochMs;
  /** When it was first sent, or was about to be; a definite refusal starts this anew. */
  readonly firstSentAt: EpochMs | null;
  /** Its place among the requests of the replica; they are sent in this order. */
  readonly order: number;
  /** Sent, but not shown before it is committed. */
  readonly blind: boolean;
  /** In a cache that several share: who keeps it, where that is not who its id names. */
  readonly holder?: string;
};

/** The final outcome of one request (C1). */
export type Outcome =
  | {
      readonly status: 'committed';
      readonly reply: WriteReply;
      /** Seqs of foreign ops on its paths that were ordered between making and committing it. */
      readonly rebasedOver: readonly Seq[];
      /** Those of its paths that they were at, above or below. */
      readonly rebasedAt: readonly Path[];
    }
  | { readonly status: 'refused'; readonly refusal: Refusal };

/** Which changes a subscription sees (C13). */
export type WatchMode = 'all' | 'committed' | 'optimistic';

/** How much of a stream a subscription wants when it cannot or need not see everything. */
export type Delivery =
  | { readonly policy: 'every' }
  /** Only the newest value of each path that has not been delivered yet. */
  | { readonly policy: 'latest' }
  /** At most one delivery round per interval, newest value of each path. */
  | { readonly policy: 'sample'; readonly intervalMs: number };

export type WatchOptions = {
  readonly mode: WatchMode;
  readonly includeCurrent: boolean;
  /** Events that may wait before the subscription is dropped (C14). */
  readonly maxQueue: number;
  readonly delivery: Delivery;
};

/** One change as a subscriber sees it. */
export type WatchEvent = {
  readonly path: Path;
  /** undefined: nothing is at the path now. */
  readonly value: Json | undefined;
  readonly previous: Json | undefined;
  readonly type: LeafType | undefined;
  /** The op that changed it; `present` for what includeCurrent delivers, `resync` for a difference found by a resync, `refused` for an own write that was taken back. */
  readonly op: OpName | 'present' | 'resync' | 'refused';
  /** null until committed. */
  readonly seq: Seq | null;
  readonly own: boolean;
  /** Events of this path that were merged into this one since the last delivery; absent where none were. */
  readonly conflated?: number;
};

/** A replica's status for people and consoles (C24). */
export type ReplicaStatus = {
  readonly phase: 'idle' | 'joining' | 'catching_up' | 'live' | 'refused' | 'closed';
  readonly seq: Seq;
  readonly pending: number;
  /** Caught up and nothing pending. */
  readonly synced: boolean;
  readonly incarnation: string | null;
  readonly error: Refusal | null;
  /** The part of the store that the replica has. */
  readonly held: readonly Glob[];
  /** What is wanted of it and cannot be had. */
  readonly denied: readonly Glob[];
  /** Why; of several, what was denied last. */
  readonly denial: Refusal | null;
};

/** Which rows a query had, by its key (records.md §14.4). */
export type KeptQuery = {
  readonly key: string;
  readonly rows: readonly Path[];
  readonly hasMore: boolean;
  readonly endCursor: string | null;
};

/** What a cache keeps of a replica, and gives back at start. Never an optimistic value. */
export type ReplicaImage = {
  readonly seq: Seq;
  readonly incarnation: string | null;
  readonly scope: string | null;
  readonly patterns: readonly Glob[];
  /** Beside what the patterns cover, the entries are of the rows of these; absent: of none. */
  readonly queries?: readonly KeptQuery[] | undefined;
  readonly entries: Iterable<Entry>;
  readonly maps: Iterable<readonly [Path, Seq]>;
  /** Entries and maps, loaded in pieces; the others are then not read. */
  readonly loaded?: Tree;
  readonly outbox: readonly PendingRequest[];
};

/** What an image is that no cache kept: what a server has rendered (records.md §18). */
export type SeedTerms = {
  /** Shows the server that it is so, unaltered; null: nothing does, and nothing is built upon it. */
  readonly proof: string | null;
  /** What the cache holds, and goes on holding until the server has taken the proof. */
  readonly kept: Pick<ReplicaImage, 'seq' | 'incarnation' | 'scope' | 'patterns'>;
};

/** What a cache has to store, all or nothing (stores.md §10.2.3, §18 C2). */
export type ReplicaChange = {
  readonly seq: Seq;
  readonly incarnation: string | null;
  readonly scope: string | null;
  /** What the entries are of. */
  readonly patterns: readonly Glob[];
  readonly queries?: readonly KeptQuery[] | undefined;
  /** Entries and maps are the whole state, not the difference to what is stored. */
  readonly replaces: boolean;
  /** null: gone. May be read in pieces, at any later time. */
  readonly entries: Iterable<readonly [Path, Leaf | null]>;
  readonly maps: Iterable<readonly [Path, Seq | null]>;
  /** null: it has left the outbox. */
  readonly requests: readonly (readonly [OpId, PendingRequest | null])[];
};

export type ReplicaInput = { readonly now: MonotonicMs; readonly wall: EpochMs } &
  /** What the session says of the topic. */
  (
    | { readonly type: 'joined'; readonly response: unknown }
    | { readonly type: 'refused'; readonly refusal: Refusal }
    | { readonly type: 'lost' }
    | { readonly type: 'message'; readonly event: string; readonly payload: unknown }
    | {
        readonly type: 'reply';
        readonly id: string;
        readonly status: 'ok' | 'error';
        readonly response: unknown;
      }
    /** An own request. Optimistic ones are shown at once; a local refusal comes back as `settled` in the same step. */
    | {
        readonly type: 'request';
        readonly opId: OpId;
        readonly request: Request;
        /** Sent, but not shown before it is committed (leases; writes with patterns `[]`). */
        readonly blind?: boolean;
        /** Somebody may have sent it before, so that it may be committed. */
        readonly wasSent?: boolean;
      }
    /**
     * Withdraw a request that is certain not to be committed: never sent, or last answered by a refusal that proves it (C7); or
     * one that is left to somebody else, whatever has become of it.
     */
    | { readonly type: 'cancel'; readonly opId: OpId; readonly isLeft?: boolean | undefined }
    /** Send a waiting request now. */
    | { readonly type: 'retry'; readonly opId: OpId }
    /** What the replica is to be of from now on: the union of all wishes (stores.md §10.4.6). */
    | { readonly type: 'want'; readonly patterns: readonly Glob[] }
    /** What a server has rendered, for a replica that has nothing yet. */
    | { readonly type: 'adopt'; readonly image: ReplicaImage; readonly seed: SeedTerms }
    /** The cache has stored a batch, and everything before it. */
    | { readonly type: 'persisted'; readonly batch: number }
    /** A round of delivery to the subscribers is due: the driver calls it once per turn. */
    | { readonly type: 'deliver' }
    | { readonly type: 'tick' }
    | { readonly type: 'close' }
  );

export type ReplicaEffect =
  /** Push to the server on the store's topic; `id` is the op id. */
  | {
      readonly type: 'push';
      readonly id: string;
      readonly event: string;
      readonly payload: object;
    }
  /** Leave and join again: a gap, a malformed frame (C9). */
  | { readonly type: 'rejoin' }
  /** Store this, then say `persisted`; one batch at a time. Only for a durable replica. */
  | { readonly type: 'persist'; readonly batch: number; readonly change: ReplicaChange }
  | {
      readonly type: 'settled';
      readonly opId: OpId;
      readonly outcome: Outcome;
      /** The request, where it had been accepted. */
      readonly pending?: PendingRequest;
    }
  /** Events for one subscription, in order; call its callback, isolated. */
  | {
      readonly type: 'notify';
      readonly subscription: number;
      readonly events: readonly WatchEvent[];
    }
  /** The queue of a subscription overflowed: it is gone; its resync callback is called once (C14). */
  | { readonly type: 'dropped'; readonly subscription: number }
  /** Of what the replica had of these patterns, all or some may no longer be read: it is gone (stores.md §11.3). */
  | {
      readonly type: 'revoked';
      readonly patterns: readonly Glob[];
      /** Why; null where only a part of it is gone. */
      readonly refusal: Refusal | null;
    }
  /** Something waits for `deliver`. */
  | { readonly type: 'deliverable' }
  | { readonly type: 'status'; readonly status: ReplicaStatus }
  /** Send `tick` at this time; replaces the former one; null: never. */
  | { readonly type: 'wake'; readonly at: MonotonicMs | null };

/** Plain data about a replica, for logs, the console and checkers. */
export type ReplicaDescription = ReplicaStatus & {
  readonly leaves: number;
  readonly inFlight: number;
  readonly blocked: boolean;
  readonly subscriptions: number;
  /** Chunks of a snapshot collected so far; null: none is being collected. */
  readonly collected: number | null;
};
