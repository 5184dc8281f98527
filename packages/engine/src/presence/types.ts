import type { DeviceId, EpochMs, JsonObject, MonotonicMs, Refusal } from '@holdfast/protocol';
import type { PresenceDiff } from '@holdfast/protocol/presence';

/** One state of one tab or process, as nodes tell each other. */
export type Presence = {
  /** The subject of its token. */
  readonly key: string;
  /** Names this state among all of the topic. */
  readonly ref: string;
  readonly peer: string;
  readonly deviceId: DeviceId;
  readonly onlineAt: EpochMs;
  readonly state: JsonObject;
  /** The ref of a state on another node that this one replaces. */
  readonly over: string | null;
};

/** What nodes say to each other about one topic. Any of it may be lost, late, or out of turn. */
export type NodeMessage = { readonly node: string } & (
  | {
      readonly type: 'diff';
      /** The number of this change; those of a node are dense from 1. */
      readonly n: number;
      readonly joins: readonly Presence[];
      readonly leaves: readonly string[];
    }
  /** The number of the last change, repeated. */
  | { readonly type: 'beat'; readonly n: number }
  /** What is asked of a node, or of all: the whole set. */
  | { readonly type: 'ask'; readonly of: string | null }
  /** A part of the whole set as it is after change `n`. */
  | {
      readonly type: 'set';
      readonly n: number;
      readonly part: number;
      readonly parts: number;
      readonly presences: readonly Presence[];
    }
  /** The node says no more of the topic; who is left there has lost the connection. */
  | { readonly type: 'bye' }
);

/** How somebody who joins is known: nothing of it comes from a payload but the name of the peer. */
export type Attendee = {
  readonly key: string;
  readonly peer: string;
  readonly deviceId: DeviceId;
};

/** What can happen on a topic, at one node. `member` names a channel for as long as it lives. */
export type RosterInput = { readonly now: MonotonicMs; readonly wall: EpochMs } & (
  | {
      readonly type: 'join';
      readonly member: number;
      readonly who: Attendee;
      readonly state: JsonObject | null;
    }
  | {
      readonly type: 'track';
      readonly member: number;
      readonly ticket: number;
      readonly state: JsonObject;
    }
  | { readonly type: 'untrack'; readonly member: number }
  /** It said so, or may not stay. */
  | { readonly type: 'leave'; readonly member: number }
  /** Its socket is gone; it may come back. */
  | { readonly type: 'lost'; readonly member: number }
  | { readonly type: 'heard'; readonly message: NodeMessage }
  | { readonly type: 'tick' }
  /** This node says no more of the topic. */
  | { readonly type: 'close' }
);

export type RosterEffect =
  /** Tell the other nodes. */
  | { readonly type: 'publish'; readonly message: NodeMessage }
  /** Tell every member that was welcomed. */
  | { readonly type: 'diff'; readonly diff: PresenceDiff }
  /** Tell these members who is there ({@link Roster.list}); from now on they hear the diffs. */
  | { readonly type: 'welcome'; readonly members: readonly number[] }
  | {
      readonly type: 'tracked';
      readonly member: number;
      readonly ticket: number;
      readonly ref: string;
    }
  | {
      readonly type: 'refused';
      readonly member: number;
      /** Of a track; null: of the join, and the member is none. */
      readonly ticket: number | null;
      readonly refusal: Refusal;
    }
  /** Send `tick` at this time; replaces the former one. */
  | { readonly type: 'wake'; readonly at: MonotonicMs };

/** Plain data about a roster, for logs, the console and checkers. */
export type RosterDescription = {
  readonly members: number;
  readonly present: number;
  readonly number: number;
  readonly nodes: readonly { readonly node: string; readonly number: number }[];
};
