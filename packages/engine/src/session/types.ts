import type { BadFrame, Frame, MonotonicMs, Refusal } from '@holdfast/protocol';

/** The state of the one connection of a client (registry.md §11, Network). */
export type Connection =
  | 'connecting'
  | 'connected'
  | 'reconnecting'
  | 'offline'
  /** Refused: it rests until it is started again (records.md §10). */
  | 'failed'
  | 'closed';

/** Input of the client's end of a conversation. `link` numbers sockets: a late event of an old one is dropped. */
export type DialerInput = { readonly now: MonotonicMs } & (
  | { readonly type: 'start' }
  | { readonly type: 'stop' }
  | { readonly type: 'opened'; readonly link: number }
  /** `isFinal`: the source has said that there is no other token. */
  | {
      readonly type: 'closed';
      readonly link: number;
      readonly code: number;
      readonly isFinal?: boolean;
    }
  | { readonly type: 'received'; readonly link: number; readonly frame: Frame | BadFrame }
  | { readonly type: 'tick' }
  /** The platform says the network came or went; `woke`: a frozen page runs again (stores.md C16). */
  | { readonly type: 'online' }
  | { readonly type: 'offline' }
  | { readonly type: 'woke' }
  /**
   * Somebody wants the topic; `payload` is asked for at every join, `isFinal` after each refusal. Default: by the table of
   * refusals.
   */
  | {
      readonly type: 'join';
      readonly topic: string;
      readonly payload: () => object;
      readonly isFinal?: ((refusal: Refusal) => boolean) | undefined;
    }
  | { readonly type: 'leave'; readonly topic: string; readonly leave?: object | undefined }
  /** Leave, with this payload, and join again under a new generation: a gap, a malformed frame. */
  | { readonly type: 'rejoin'; readonly topic: string; readonly leave?: object | undefined }
  /**
   * A push on a joined topic. `id` is the caller's and comes back with the reply, for which a patient caller waits as long as
   * it likes.
   */
  | {
      readonly type: 'push';
      readonly topic: string;
      readonly id: string;
      readonly event: string;
      readonly payload: object;
      readonly patient?: boolean;
    }
);

export type DialerEffect =
  /**
   * Open a link. One that cannot be opened is `closed`, by 4001 where the token is to blame (stores.md §15.4), or where there
   * is no other one.
   */
  | { readonly type: 'open'; readonly link: number }
  | { readonly type: 'close'; readonly link: number; readonly code: number }
  | { readonly type: 'send'; readonly link: number; readonly frame: Frame }
  | {
      readonly type: 'connection';
      readonly connection: Connection;
      readonly attempts: number;
      readonly refusal: Refusal | null;
    }
  /** The join was answered ok: a new generation of the topic begins. */
  | {
      readonly type: 'joined';
      readonly topic: string;
      readonly generation: number;
      readonly response: unknown;
    }
  /** The join was refused for good (transient refusals are retried inside). */
  | { readonly type: 'refused'; readonly topic: string; readonly refusal: Refusal }
  /** The topic is not joined any more (socket lost, closed or failed by the server); it will be joined again. */
  | { readonly type: 'lost'; readonly topic: string }
  /** A server push of the current generation. */
  | {
      readonly type: 'message';
      readonly topic: string;
      readonly event: string;
      readonly payload: unknown;
    }
  | {
      readonly type: 'reply';
      readonly topic: string;
      readonly id: string;
      readonly status: 'ok' | 'error';
      readonly response: unknown;
      /** Stands beside the response on the channels of views (views.md §4.2). */
      readonly version?: unknown;
    }
  /** Send `tick` at this time; replaces the former one; null: never. */
  | { readonly type: 'wake'; readonly at: MonotonicMs | null };

/** Input of the server's end of a conversation, for one socket. */
export type ListenerInput = { readonly now: MonotonicMs } & (
  | { readonly type: 'received'; readonly frame: Frame | BadFrame }
  /** A sign of life that is no frame: the peer answered a ping. */
  | { readonly type: 'heard' }
  | { readonly type: 'tick' }
  /** The host opened the channel: the join reply, and from now on its pushes are delivered. */
  | { readonly type: 'accept'; readonly channel: number; readonly response: object }
  | { readonly type: 'refuse'; readonly channel: number; readonly response: object }
  /** The answer to a push; answers leave in the order of the pushes, whatever order they arrive in (stores.md §7.5). */
  | {
      readonly type: 'answer';
      readonly channel: number;
      readonly slot: number;
      readonly status: 'ok' | 'error';
      readonly response: object;
      /** Of a view's instance, for clients of capver 4 (views.md §4.2). */
      readonly version?: number;
    }
  /** The answer to a push on the `phoenix` topic (`access_token`). */
  | {
      readonly type: 'answerControl';
      readonly ref: string;
      readonly status: 'ok' | 'error';
      readonly response: object;
    }
  /**
   * The host ends a channel: archive, expiry, revocation (stores.md §7.3). `failed`: by `phx_error`, for clients take
   * `phx_close` on a view's channel as final (views.md §2).
   */
  | { readonly type: 'shut'; readonly channel: number; readonly failed?: true }
);

export type ListenerEffect =
  | { readonly type: 'send'; readonly frame: Frame }
  /** A join to decide; answer with `accept` or `refuse`. */
  | {
      readonly type: 'join';
      readonly channel: number;
      readonly topic: string;
      readonly joinRef: string;
      readonly payload: unknown;
    }
  | {
      readonly type: 'push';
      readonly channel: number;
      readonly slot: number;
      readonly event: string;
      readonly payload: unknown;
    }
  | {
      readonly type: 'control';
      readonly ref: string;
      readonly event: string;
      readonly payload: unknown;
    }
  /**
   * The channel is gone (left, replaced, shut): nothing more may be sent to it. Said again where a gone one is accepted.
   * `leave`: what the client said when it left, on a view's topic.
   */
  | { readonly type: 'left'; readonly channel: number; readonly leave?: unknown }
  /** The conversation is over, all its channels included: no effect follows. */
  | { readonly type: 'close'; readonly code: number; readonly reason: string };
