import type { Guest, Replica, ReplicaImage, ReplicaStatus } from '@holdfast/engine/replica';
import type { Release, Signal } from '@holdfast/engine/registry';
import type { Glob, Refusal, StoreName } from '@holdfast/protocol';
import type { Asking, ReceiptDesk, WriteReceipt } from '../receipt.ts';

/** What a seat asks of the client that sits on it. */
export interface Seated {
  /** Names this client among the tabs: it is part of each of its op ids. */
  readonly session: string;
  /** By which modules find its connection. */
  readonly client: object;
  readonly status: Signal<{ readonly connection: string }>;
  /** Is told when another leads. */
  changed(): void;
  /** Opens a store, or keeps it open, with a part of it here, until it is released. Throws where it cannot be opened so. */
  retain(store: StoreName, part: readonly Glob[]): Release;
}

/** What a seat asks of a store that is open. */
export interface SeatedStore extends ReceiptDesk {
  /** Undefined while the cache has yet to answer. */
  readonly replica:
    | {
        image(): ReplicaImage;
        status(): ReplicaStatus;
        /** Of a snapshot that is not taken over yet, how many chunks there are; null: there is none. */
        describe(): { readonly collected: number | null };
        readonly queries: Guest | null;
      }
    | undefined;
  /** Takes on a request of another tab, which may be here already, with a receipt that is replaced and `found`. */
  request(
    receipt: WriteReceipt,
    how: Asking & { readonly blind: true },
    found: (receipt: WriteReceipt | undefined) => void,
  ): void;
  /** Does something with the queries that the replica follows. */
  query(deed: (replica: Pick<Replica, 'follow' | 'queries'>) => void): void;
  /** Another list of what is unanswered is to be read. */
  relisted(): void;
  /** Asks again for what was refused. */
  again(): void;
  /** Asks the server something on the channel of the store. */
  ask(event: string, payload: object): Promise<unknown>;
}

/** What a store hears on its channel; a seat cares for no more than these. */
export type SeatedNews =
  | { readonly type: 'joined'; readonly response: unknown }
  | { readonly type: 'refused'; readonly refusal: Refusal }
  /** The channel is gone, or the store is closed. */
  | { readonly type: 'lost' }
  | { readonly type: 'message'; readonly event: string; readonly payload: unknown }
  | {
      readonly type: 'reply';
      readonly id: string;
      readonly status: 'ok' | 'error';
      readonly response: unknown;
    }
  | { readonly type: 'connection' };

/** A client's place among the tabs that share one connection. */
export interface Seat {
  /** What is to be sent goes to the server from here. */
  readonly isLeading: boolean;
  begin(client: Seated): void;
  /** A store is open: what it hears is told from now on, after it has heard it. */
  opened(store: SeatedStore, name: StoreName): void;
  heard(store: SeatedStore, news: SeatedNews): void;
  close(): void;
}
