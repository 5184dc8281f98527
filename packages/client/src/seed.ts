import type { ReplicaConfig, ReplicaImage } from '@holdfast/engine/replica';

/** What a replica begins with that a server has rendered. */
export type Seeded = Required<Pick<ReplicaConfig, 'image' | 'seed'>>;

/** What a server has rendered of a store (records.md §18). */
export interface Seed {
  /** What to begin with where the cache has this; null: with what the cache has. */
  over(kept: null): Seeded;
  over(kept: ReplicaImage | null): Seeded | null;
}
