import type { Glob, Path, Refusal, Request, StoreName } from '@holdfast/protocol';
import type { Release, Signal } from '@holdfast/engine/registry';
import type { Observe, Outcome, PendingRequest } from '@holdfast/engine/replica';
import type { Cell } from './cell.ts';
import type { Settings } from './options.ts';
import type { PageEnvelope } from './records/rendered.ts';
import type { Seed } from './seed.ts';
import type { OutboxEntry, StoreStatus } from './status.ts';
import type { ConnectionStatus } from './connection.ts';
import type { Part } from './part.ts';
import type { Subscription } from './subscription.ts';
import type { News, Uplink } from './uplink.ts';
import type { RenderedView } from './views/initial.ts';

/** What the stores of a client share. */
export type Room = {
  readonly settings: Settings;
  readonly session: string;
  /** Where in the program it was made, for who develops. */
  readonly origin: string | undefined;
  readonly uplink: Uplink;
  readonly connection: Cell<ConnectionStatus>;
  /** Every store that has been asked for. */
  readonly slots: ReadonlyMap<StoreName, Summary>;
  /** What a server has rendered, by its store; null: it is used. */
  readonly seeds: Map<StoreName, Seed | null>;
  /** What pages are rendered from that is in no store: envelopes by the keys of records, and views by the ids of roots. */
  readonly rendered: {
    readonly envelopes: Map<string, PageEnvelope>;
    readonly views: Map<string, RenderedView>;
  };
  /** Told when something has changed about one of them, or about a party. */
  readonly activity: Cell<null>;
  /** What is to be in step with the server beside the stores: the views, and the records. */
  readonly parties: Set<Party>;
  /** Says whether others make room on the connection for a root that was refused. */
  makeRoom?: (refusal: Refusal) => boolean;
};

/** A part of the client, as its status tells of it. */
export type Party = {
  /** Something is shown, or to be shown, that has not caught up. */
  readonly isBehind: boolean;
  /** How many own writes met another's, and are not resolved. */
  readonly conflicts: number;
};

/** What a client as a whole is to know of a store. */
export type Summary = {
  /** Null while it is closed. */
  readonly opened: { readonly replica: { readonly unsent: number } | undefined } | null;
  readonly status: Signal<StoreStatus>;
  outbox(): readonly OutboxEntry[];
  outboxNear(path: Path): readonly PendingRequest[];
};

/** Whose open store it is: what stays when it is closed. */
export interface Place {
  readonly name: StoreName;
  /** What is wanted of it. */
  readonly wanted: readonly Glob[];
  readonly status: Cell<StoreStatus>;
  /** Who hears what the session says of the topic, after the replica. */
  readonly listeners: Set<(news: News) => void>;
  outboxChanged(): void;
  /** The replica is changing. */
  readonly observe: Observe;
  /** An own write is decided, of whichever life it is. */
  ended(write: PendingRequest, outcome: Outcome): void;
  /** An own write has been made, and is shown. */
  written(request: Request): void;
  /** Wants a part of it, until a while after it is released. */
  want(globs: readonly Glob[]): Release;
}

/** What those see of a store's slot who ask the server for more than its state: leases, and what is computed once. */
export interface Berth extends Pick<Place, 'status' | 'listeners' | 'want'> {
  readonly room: Room;
  /** Null while it is closed. */
  readonly opened: object | null;
  /** The open store; throws when it is closed. */
  readonly store: {
    readonly replica: { status(): { readonly held: readonly Glob[] } } | undefined;
    until(): Promise<void>;
    ready(part: Part): Promise<void>;
    subscribe(subscription: Subscription): () => void;
  };
}
