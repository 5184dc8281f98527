import {
  isRefusal,
  type JoinReply,
  type OpId,
  readJoinReply,
  type Refusal,
} from '@holdfast/protocol';
import type { ReplicaImage } from '@holdfast/engine/replica';
import type { SeatedNews, SeatedStore } from './seat.ts';

/** Who serves other tabs from a store of ours: loaded apart, as only a leader needs it. */
export interface Serving {
  /** The leader's store has heard something. */
  heard(news: SeatedNews): void;
  /** What a tab that is gone had given us to send is listed here; says whether we have it. */
  list(opId: OpId): boolean;
  /** Ends all channels. */
  shut(): void;
}

/** The leader's own join, as the server answered it, and when. */
export type HeardReply = JoinReply & { readonly heardAt: number };

/** A store of a tab, which others may be served from while it leads: what it has, and how its own join was answered. */
export class StoreHub {
  /** Absent as long as nobody is served. */
  serving: Serving | undefined;
  readonly #wall: () => number;
  #store: SeatedStore | null = null;
  #refusal: Refusal | null = null;
  #reply: HeardReply | null = null;

  constructor(wall: () => number) {
    this.#wall = wall;
  }

  /** The store, where it is open. */
  get store(): SeatedStore | null {
    return this.#store;
  }

  /** The server does not let the store be read, and is not being asked once more. */
  get refusal(): Refusal | null {
    return this.#store?.replica?.status().phase === 'refused' ? this.#refusal : null;
  }

  get reply(): HeardReply | null {
    return this.#reply;
  }

  /** What is committed of what is had of the store; null where that is nothing. */
  get image(): ReplicaImage | null {
    const image = this.#store?.replica?.image();
    const { patterns = [], queries = [] } = image ?? {};
    return image !== undefined && patterns.length + queries.length > 0 ? image : null;
  }

  /** Caught up with the server, on this connection. */
  get isLive(): boolean {
    return this.#store?.replica?.status().phase === 'live';
  }

  /** What is live is what there is: nothing is about to take its place. */
  get isSettled(): boolean {
    return this.isLive && this.#store?.replica?.describe().collected === null;
  }

  /** Requests that were first sent before this, by the clock here, may not be sent again. */
  get dedupeSince(): number {
    if (this.#reply === null) return 0;
    const { dedupe_since: since, server_time: there, heardAt } = this.#reply;
    return since - there + heardAt;
  }

  opened(store: SeatedStore): void {
    this.serving?.shut();
    this.#store = store;
    this.#refusal = null;
    this.#reply = null;
  }

  heard(store: SeatedStore, news: SeatedNews): void {
    if (store !== this.#store) return;
    if (news.type === 'refused') this.#refusal = news.refusal;
    else if (news.type === 'joined') {
      const reply = readJoinReply(news.response);
      this.#refusal = null;
      this.#reply = isRefusal(reply) ? null : { ...reply, heardAt: this.#wall() };
    }
    this.serving?.heard(news);
  }
}
