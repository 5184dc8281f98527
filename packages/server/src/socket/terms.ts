import type { PathGrants, Tree } from '@holdfast/engine/data';
import type { Codec, DeviceId, Glob, Seq, SnapshotReason } from '@holdfast/protocol';
import type { Credentials, Principal } from '../access/index.ts';
import type { StoreHost } from '../host/store-host.ts';
import type { Outbox } from './outbox.ts';
import type { Outline } from './outline.ts';
import type { ChannelScope } from './scope.ts';
import type { Reading } from './snapshot.ts';
import type { Throttle } from './throttle.ts';
import type { Account, Viewer } from './viewers.ts';

/**
 * The state to send in full: in chunks (§10.3), or as the events a capver-3 client knows (§9.4). It is taken once, by who sends
 * it: the plan stays as long as the channel, and what it has kept of a store would be freed for none of all who ever came.
 */
export type SnapshotPlan =
  | { readonly kind: 'chunked'; readonly isResumed: boolean; readonly take: () => Reading }
  | { readonly kind: 'legacy'; readonly take: () => Tree };

/** How a channel brings its client to the present (stores.md §9.2, §10.1). */
export type JoinPlan = {
  /** The seq at which the join cuts history into catch-up and live. */
  readonly cut: Seq;
  /** The client's cursor when catch-up by the log begins. */
  readonly from: Seq;
  readonly snapshot: SnapshotPlan | null;
  readonly why: SnapshotReason | null;
  /** The part that the client has from the join on; without patterns it hears nothing, and has its writes answered. */
  readonly scope: ChannelScope;
  /** What else it asked for, and may read nothing of. */
  readonly denied: readonly Glob[];
  /** A capver-3 device must confirm the snapshot (§9.4.3). */
  readonly unconfirmed: boolean;
  /** The client's cursor as it said it. */
  readonly last: Seq;
  /** What the client was shown of what may be hidden, where a page says so; null: none does. */
  readonly outline?: Outline | null;
  /** Where something may be hidden from who joins: who that is, and what is known of what its client was shown. */
  readonly sight?: { readonly viewer: Viewer; readonly account: Account };
};

/** Which push of which channel an answer is for. */
export type PushAddress = {
  readonly channel: number;
  readonly slot: number;
  /** Of a view's instance, told to clients of capver 4 beside the response (views.md §4.2). */
  readonly version?: number;
};

/** What a channel needs of its connection. */
export type ChannelPort = {
  readonly outbox: Outbox;
  readonly throttle: Throttle;
  answer(to: PushAddress, status: 'ok' | 'error', response: object): void;
  /** Those of now, also once it has ended. */
  readonly credentials: Credentials;
  /** Resolves when the peer has read everything sent before. */
  confirmed(): Promise<boolean>;
  /** Something inside failed that no input may cause: the socket closes, the operator is told. */
  fail(what: string, error: unknown): void;
};

/** A channel of a view: of a root, or of a file on its way to one. */
export type JoinedView = {
  readonly storeId: null;
  push(slot: number, event: string, payload: unknown): void;
  /** `leave`: what the client said when it left. */
  close(how: 'leave' | 'lost', leave?: unknown): void;
};

/** What the channels of views need of their connection. */
export type ViewPort = ChannelPort & {
  /** Sends the reply to the join; what the client pushed meanwhile is handed on at the end of this turn. */
  welcome(channel: number, joined: JoinedView, response: object): void;
  /** Ends the channel: by `phx_error`, or by `phx_close`. */
  shutView(channel: number, how: 'failed' | 'replaced'): void;
};

/** What a join settled for the life of the channel. */
export type ChannelTerms = {
  readonly channel: number;
  readonly topic: string;
  readonly dialect: 3 | 4;
  readonly codec: Codec;
  readonly deviceId: DeviceId;
  readonly principal: Principal;
  /** What its path rules let it read and write; null: everything. */
  readonly grants: PathGrants | null;
  readonly host: StoreHost;
  readonly plan: JoinPlan;
  /** Whether the client says what it has applied when it is asked (`ack`). */
  readonly acks: boolean;
};

/** What makes two live channels get the very same bytes. */
export type Audience = Pick<ChannelTerms, 'dialect' | 'topic' | 'codec'>;
