import type { Release, Signal } from '@holdfast/engine/registry';

/** Somebody who is there. */
export type Peer<State> = {
  /**
   * The subject of its token: the same for all tabs and devices of one user. Until the server has said it once, oneself has
   * the `principal` of the client, which is empty where it was not given.
   */
  readonly key: string;
  /** Its tab or process. */
  readonly peer: string;
  readonly value: State;
  /** Whether it is this client. */
  readonly self: boolean;
};

/**
 * A topic of a definition, for who comes and goes (records.md §16): it holds nothing by itself. While it is retained, or its
 * peers are subscribed to, this client is on the topic.
 */
export interface PresenceHandle<State> {
  /**
   * Everybody who shows something, by `<key>/<peer>` with `~` and `/` of the key as in paths; a new map at each change. All see
   * one order: keys that are whole numbers, then keys as they came, and of one key who has changed last at the end.
   */
  readonly peers: Signal<ReadonlyMap<string, Peer<State>>>;
  /** Throws a `TypeError` for what the schema refuses, and `closed` where the topic has never been held. */
  set(value: State): void;
  clear(): void;
  /** Counters since the topic was first held. */
  stats(): { readonly updates: number; readonly leaves: number; readonly parseErrors: number };
  /** Is on the topic until it is released; with the last release this client leaves it. */
  retain(): Release;
}
