import type { DeviceId, Glob, RequestLimits } from '@holdfast/protocol';
import { Tree } from '../data/index.ts';
import type { Fold } from './fold.ts';
import type { Ledger } from './ledger.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { ReplicaEffect, ReplicaImage } from './types.ts';

/** What a replica is made of. */
export type ReplicaConfig = {
  /** The store's topic, for logs. */
  readonly topic: string;
  /** What it replicates: `['**']` all, `[]` nothing. */
  readonly patterns: readonly Glob[];
  readonly deviceId: DeviceId;
  readonly limits: RequestLimits;
  readonly random: () => number;
  /** What a cache kept. */
  readonly image?: ReplicaImage;
  /** The entries and maps of the image, loaded in pieces by the owner; the image's own are then not read. */
  readonly loaded?: Tree;
  /** A cache stores what `persist` says, before anything that rests on it is sent (stores.md §18 C2). */
  readonly durable?: boolean;
};

/** What the two sides of a replica share: the one follows the store, the other sees to its own requests. */
export type Parts = {
  readonly config: ReplicaConfig;
  readonly fold: Fold;
  readonly subscriptions: Subscriptions;
  readonly ledger: Ledger | null;
  readonly emit: (effect: ReplicaEffect) => void;
};

/** The committed state that a replica begins with. */
export function treeOf({ image, loaded }: ReplicaConfig): Tree {
  const tree = loaded ?? Tree.empty();
  if (loaded === undefined) tree.load(image?.entries ?? [], image?.maps ?? []);
  return tree;
}
