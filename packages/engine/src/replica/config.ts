import type { DeviceId, Glob, RequestLimits } from '@holdfast/protocol';
import { type Mutator, Tree } from '../data/index.ts';
import type { Observe } from './act.ts';
import type { Ledger } from './ledger.ts';
import type { ReplicaImage, SeedTerms } from './types.ts';

/** What a replica is made of. */
export type ReplicaConfig = {
  /** The store's topic, for logs. */
  readonly topic: string;
  /** What it is to replicate, until it is told `want`: `['**']` all, `[]` nothing. */
  readonly patterns: readonly Glob[];
  readonly deviceId: DeviceId;
  readonly limits: RequestLimits;
  readonly random: () => number;
  /** What a cache kept. */
  readonly image?: ReplicaImage;
  /** The image is a server's, and not the cache's. */
  readonly seed?: SeedTerms;
  /** What a cache has yet to store: it stores what `persist` says, before anything that rests on it is sent (C2). */
  readonly ledger?: Ledger | null;
  /** What may wait to be answered: how many requests, and how many bytes of JSON. Default: {@link outboxMax}. */
  readonly outboxMax?: OutboxLimits;
  /** Runs the mutations of records; absent: none is known. */
  readonly mutate?: Mutator;
  /** Sees what changes, and which own requests come and go. */
  readonly observe?: Observe;
};

/** Limits on the unanswered requests of a store; beyond them writes are refused with `outbox_full`. */
export type OutboxLimits = { readonly requests: number; readonly bytes: number };

/** Default limits: more than a person does in weeks offline, less than browsers let us keep (records.md §11.5). */
export const outboxMax: OutboxLimits = { requests: 10_000, bytes: 32 * 1024 * 1024 };

/** The committed state that a replica begins with. */
export function treeOf({ image }: Pick<ReplicaConfig, 'image'>): Tree {
  const tree = image?.loaded ?? Tree.empty();
  if (image?.loaded === undefined) tree.load(image?.entries ?? [], image?.maps ?? []);
  return tree;
}
