import type { MonotonicMs, Path, Pattern, Refusal, Seq } from '@holdfast/protocol';
import type { Tree } from '../data/index.ts';
import type { ReplicaConfig } from './config.ts';
import type { Extent, Held } from './extent.ts';
import type { Fold } from './fold.ts';
import type { Ledger } from './ledger.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { KeptQuery, ReplicaEffect, ReplicaImage, ReplicaInput } from './types.ts';

/** What the two sides of a replica share: the one follows the store, the other sees to its own requests. */
export type Parts = {
  readonly config: ReplicaConfig;
  readonly extent: Extent;
  readonly fold: Fold;
  readonly subscriptions: Subscriptions;
  readonly ledger: Ledger | null;
  readonly emit: (effect: ReplicaEffect) => void;
  /** What follows queries, from when there are any. */
  queries: Guest | null;
  /** What the replica began with. */
  image: ReplicaImage | undefined;
};

/** A query of a record, and where all of its rows are. */
export type QueryAsk = {
  /** Names it among all of the store: it is found again by it in what a cache kept. */
  readonly key: string;
  readonly record: string;
  /** The spec as it travels; another object is another spec. */
  readonly spec: object;
  /** Null: the server is asked whatever is held here. */
  readonly within: Pattern | null;
};

/** How a query stands. */
export type QuerySight = {
  /** All objects it is about are held by patterns: it is evaluated here (records.md §14.3). */
  readonly isLocal: boolean;
  /** What the server says; null: nothing yet. */
  readonly rows: readonly Path[] | null;
  readonly hasMore: boolean;
  readonly endCursor: string | null;
  /** The server is being asked. */
  readonly isAsked: boolean;
  /** The server has yet to say what the rows of the present spec are. */
  readonly isBehind: boolean;
  readonly refusal: Refusal | null;
};

/** What follows queries for a replica: given to it by who has any, so that others do not pay for it. */
export type Guest = {
  /** When there is something to do unasked. */
  readonly wakeAt: MonotonicMs;
  /** Where the server has no place for a query: closes another that may go, if there is one, and says whether it did. */
  makeRoom: (sub: string) => boolean;
  /** Opens a query, and names it; `changed` is called amid a step when it stands otherwise. */
  open(ask: QueryAsk, changed: () => void): string;
  /** Asks for another window of the same objects; what is shown stays until it is here. */
  change(sub: string, ask: QueryAsk): void;
  close(sub: string): void;
  sight(sub: string): QuerySight;
  /** Whether all of an object is here, by patterns or because a query shows it. */
  holds(object: Path): boolean;
  /** Whether the path is in an object that a query shows. */
  covers(path: Path): boolean;
  /** The state is the one that the replica begins with. */
  adopt(): void;
  /** What a cache keeps of them. */
  image(): readonly KeptQuery[];
  /** Pushes what is due; `isLive`: there is a channel to push to, and it is caught up. */
  ask(now: MonotonicMs, isLive: boolean): void;
  replied(reply: Reply): void;
  hear(payload: unknown): 'gap' | Refusal | null;
  /** The replica has come to a seq: what waited for it is part of the same change. */
  reached(seq: Seq): void;
  /** The channel is gone, and the queries with it; their rows stay until they are opened again. */
  lost(): void;
  /** What comes in the place of the state takes over the rows, as far as it is not of what comes with it. */
  carry(to: Tree, coming: Held | null): void;
  /** Another state has taken the place of the one before. */
  replaced(seq: Seq): void;
};

type Reply = Extract<ReplicaInput, { readonly type: 'reply' }>;

/** What a cache keeps of queries. */
export function keptOf({ queries, image }: Parts): readonly KeptQuery[] | undefined {
  return queries?.image() ?? image?.queries;
}
