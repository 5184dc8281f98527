import type { Delivery, WatchEvent, WatchMode } from '@holdfast/engine/replica';
import type { Json, OpId, Path, Seq } from '@holdfast/protocol';

/** A write that a client made, and what it was told of it; `unknown` where it was told nothing. */
export type MadeWrite = {
  readonly opId: OpId;
  /** Guarded: it may be refused for good, unheard, and be taken when it is sent again. */
  readonly isGuarded: boolean;
  readonly outcome: 'unknown' | { readonly committed: Seq } | { readonly refused: string };
};

/** Seqs that a snapshot took a replica over: after the first, up to the second. */
export type Span = readonly [after: Seq, through: Seq];

/** All that one subscription was told, in order. */
export type WatchHistory = {
  readonly name: string;
  readonly pattern: string;
  readonly mode: WatchMode;
  readonly policy: Delivery['policy'];
  readonly includeCurrent: boolean;
  /** Nothing changes what it is told of but ops that it is told of: its events alone give the state. */
  readonly isWhole: boolean;
  /** The cursor when it began, or after the first sync where that is no news; and when all was delivered that had come. */
  readonly from: Seq;
  readonly through: Seq;
  readonly events: readonly WatchEvent[];
};

/** The committed state of a replica at a seq, as leaves in path order. */
export type Bookmark = {
  readonly seq: Seq;
  readonly entries: readonly (readonly [Path, Json])[];
};

/** What one client did and saw: what the validators judge. */
export type ClientHistory = {
  readonly client: string;
  readonly made: readonly MadeWrite[];
  readonly watches: readonly WatchHistory[];
  readonly bookmarks: readonly Bookmark[];
  /** The cursor at each join but the first. */
  readonly resumes: readonly Seq[];
  readonly resyncs: readonly Span[];
};

/** A word that a history breaks, and how. */
export type Problem = { readonly word: string; readonly text: string };

/** An event of a committed op. */
export type LiveEvent = WatchEvent & { readonly seq: Seq };

/** Whether an event is of a committed op: no news about the present or a resync, no own write that is not decided. */
export function isLive(event: WatchEvent): event is LiveEvent {
  return event.seq !== null && !['present', 'resync', 'refused'].includes(event.op);
}
