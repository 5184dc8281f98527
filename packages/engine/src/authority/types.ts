import type {
  DeviceId,
  EpochMs,
  Leaf,
  Limits,
  Entry,
  MonotonicMs,
  Op,
  OpId,
  Path,
  Refusal,
  Seq,
  WriteReply,
} from '@holdfast/protocol';
import type {
  Advice,
  Asked,
  Caller,
  FileRule,
  Gate,
  PathGrants,
  Question,
  Tree,
} from '../data/index.ts';
import type { Quotas } from './quota.ts';

/** An op as the log keeps it: with the leaves whose old value vanished by it (stores.md §1.2.2). */
export type LoggedOp = Op & { readonly removed: readonly Entry[] };

/** What makes a repeat of a request recognisable, and its first answer repeatable (stores.md §6.2). */
export type Answer = {
  readonly deviceId: DeviceId;
  readonly opId: OpId;
  /** Hash of what was asked; a repeat with another fingerprint is refused. */
  readonly fingerprint: number;
  readonly seq: Seq;
  readonly at: EpochMs;
  /** The full reply; null stands for `{ store_seq: seq }`. */
  readonly reply: WriteReply | null;
  /** Whose request it was, as its op in the log says; absent: that was not noted. */
  readonly principal?: string | null;
};

/** What one append stores, all or nothing. */
export type Batch = {
  /** Dense seqs from the expected head + 1. */
  readonly ops: readonly LoggedOp[];
  /** The net change of the leaves: the last state of each path, null where it is gone. */
  readonly entries: readonly (readonly [Path, Leaf | null])[];
  /** Revisions of maps that exceed those of the leaves below them; null where the map is gone. */
  readonly maps: readonly (readonly [Path, Seq | null])[];
  readonly answers: readonly Answer[];
};

/** When an input happened, on both clocks. */
export type Instant = {
  /** Monotonic: deadlines and the life of leases. */
  readonly now: MonotonicMs;
  /** The storage's wall clock: `inserted_at`, `expires_at`. */
  readonly wall: EpochMs;
};

/** What an authority begins with. */
export type AuthorityConfig = {
  readonly head: Seq;
  /** The state at `head`; the authority's own from now on. */
  readonly tree: Tree;
  readonly at: Instant;
  readonly archived: boolean;
  readonly limits: Limits;
  readonly quotas?: Quotas;
  /** What the records of the store let pass. */
  readonly gate?: Gate;
  /** Requests per append. */
  readonly batchMax?: number;
  /** Other nodes may write the store too: what is refused for the state's sake is first confirmed against the log. */
  readonly shared?: boolean;
};

/** One push of a channel, authorised but not yet deduplicated (stores.md §7.7). */
export type Submission = {
  /** Names the submission in the reply; unique for the life of the authority. */
  readonly ticket: number;
  /** The channel it came by; a new number at every join. */
  readonly channel: number;
  /**
   * Whether the channel blocks after a transient refusal (stores.md §10.6): capver 4 does. `waits`: it is held up by a block
   * and makes none, as a rollback, which has no id by which it would be known when it comes again.
   */
  readonly blocks: boolean | 'waits';
  /** Lifts the block of the channel. */
  readonly unblock: boolean;
  readonly dialect: 3 | 4;
  readonly deviceId: DeviceId;
  readonly opId: OpId;
  readonly fingerprint: number;
  readonly principal: string | null;
  /** The parsed request, or why it does not parse: told only after the checks that come before. */
  readonly request: Asked | Refusal;
  /**
   * The verdict of the rate limiter, asked for after deduplication, so that repeats are free (stores.md §6.3); the same
   * each time it is asked. Null lets it pass, and so does a verdict of null.
   */
  readonly rate: (() => Refusal | null) | null;
  /** The verdict on the files that the request names, `unknown_file` (stores.md §14.4); absent or null lets it pass. */
  readonly files?: Refusal | null;
  /** Judges the files that its mutations make of what it says; absent: they make none. */
  readonly fileRule?: FileRule;
  /** An administrator's forced delete passes live leases (stores.md §5.2.3). */
  readonly forced?: boolean;
  /** Whose it is, for the rules of records; absent: code of the server. */
  readonly caller?: Caller;
  /** What path rules let the principal read and write (stores.md §11.2); absent: everything. */
  readonly grants?: PathGrants;
};

/** A request that comes by no channel: nothing blocks behind it, and nobody waits for its events. */
export type LoneRequest = Pick<
  Submission,
  | 'deviceId'
  | 'opId'
  | 'fingerprint'
  | 'principal'
  | 'request'
  | 'rate'
  | 'files'
  | 'fileRule'
  | 'forced'
  | 'caller'
  | 'grants'
>;

/** What can happen to an authority. */
export type AuthorityEvent =
  | { readonly type: 'submit'; readonly submission: Submission }
  /** The host's tick: decide what has collected. Ignored while a batch is on its way. */
  | { readonly type: 'flush' }
  /** Deadlines are looked at. */
  | { readonly type: 'tick' }
  /** The answer to `lookup`: dedupe records found, and the highest counter of each client asked for. */
  | {
      readonly type: 'answered';
      readonly answers: readonly Answer[];
      readonly highs: ReadonlyMap<string, number>;
    }
  | { readonly type: 'stored'; readonly batch: number }
  /** Another node appended first; the log must be followed. */
  | { readonly type: 'behind'; readonly batch: number }
  /** The storage cannot tell whether it stored. */
  | { readonly type: 'unknown'; readonly batch: number }
  /** The answers to `consult`. */
  | { readonly type: 'consulted'; readonly ticket: number; readonly advice: Advice }
  /** Nothing was stored, and why is the operator's business. */
  | { readonly type: 'failed'; readonly batch: number }
  /** The answer to `read`: the ops after the committed head, complete up to the head of the log. */
  | { readonly type: 'followed'; readonly ops: readonly LoggedOp[] }
  /** `lookup` or `read` failed; it is asked again later. */
  | { readonly type: 'unreadable' }
  /** A hint that the log has grown beyond what is known. */
  | { readonly type: 'grew'; readonly head: Seq }
  | { readonly type: 'archived'; readonly archived: boolean }
  /** The channel is gone: its block is forgotten; its queued requests stay. */
  | { readonly type: 'left'; readonly channel: number }
  /** No more submissions; `drained` follows when everything is answered. */
  | { readonly type: 'drain' };

/** An event, and when it happened. */
export type AuthorityInput = Instant & AuthorityEvent;

export type AuthorityEffect =
  /** Read dedupe records of these ids and the highest counters of these clients; answer with `answered`. */
  | {
      readonly type: 'lookup';
      readonly ids: readonly { readonly deviceId: DeviceId; readonly opId: OpId }[];
      readonly clients: readonly string[];
    }
  /** Compare-and-append; answer with `stored`, `behind`, `unknown` or `failed`. */
  | {
      readonly type: 'append';
      readonly batch: number;
      readonly expected: Seq;
      readonly content: Batch;
    }
  /** Wait for the verdicts; answer with `consulted`, each verdict under its question's key. */
  | {
      readonly type: 'consult';
      readonly ticket: number;
      readonly questions: readonly Question[];
    }
  /** A bug, for the operator's log; the request got `internal_error` with this id. */
  | { readonly type: 'fault'; readonly errorId: string; readonly error: unknown }
  /**
   * Read the log after this seq to its head; answer with `followed`. After an `unknown` the read settles it: what it
   * does not show will never be stored.
   */
  | { readonly type: 'read'; readonly after: Seq }
  /** Facts, in seq order, no commit split: durable and to be delivered before the replies that follow. */
  | { readonly type: 'committed'; readonly ops: readonly LoggedOp[] }
  | { readonly type: 'reply'; readonly ticket: number; readonly answer: WriteReply | Refusal }
  /** Work has collected: send `flush` at the end of this tick. */
  | { readonly type: 'collect' }
  /** Send `tick` at this monotonic time; replaces the former one. */
  | { readonly type: 'wake'; readonly at: MonotonicMs }
  | { readonly type: 'drained' };

/** Plain data about an authority, for logs, the console and checkers. */
export type AuthorityDescription = {
  readonly head: Seq;
  readonly phase:
    | 'idle'
    | 'resting'
    | 'looking'
    | 'appending'
    | 'confirming'
    | 'following'
    | 'settling';
  readonly queued: number;
  readonly leaves: number;
  readonly blocked: number;
};
