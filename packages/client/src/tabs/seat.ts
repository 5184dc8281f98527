import type { Release, Signal } from '@holdfast/engine/registry';
import type { Refusal, StoreName } from '@holdfast/protocol';
import type { OpenStore } from '../open-store.ts';
import type { ConnectionStatus } from '../uplink.ts';

/** What a seat asks of the client that sits on it. */
export interface Seated {
  /** Names this client among the tabs: it is part of each of its op ids. */
  readonly session: string;
  readonly status: Signal<ConnectionStatus>;
  /** Opens a store, or keeps it open, until it is released. Throws where it cannot be opened so. */
  retain(store: StoreName, isWriteOnly: boolean): Release;
}

/** A client's place among the tabs that share one connection; it hears what the client's stores hear. */
export interface Seat {
  begin(client: Seated): void;
  opened(store: OpenStore): void;
  joined(store: OpenStore, response: unknown): void;
  refused(store: OpenStore, refusal: Refusal): void;
  heard(store: OpenStore, event: string, payload: unknown): void;
  /** The channel is gone, or the store is closed. */
  lost(store: OpenStore): void;
  close(): void;
}
