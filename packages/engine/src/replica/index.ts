export type { Act, Observe } from './act.ts';
export type { Listing, ListPage, ListQuery, ShownEntry } from './listing.ts';
export { type OutboxLimits, outboxMax, type ReplicaConfig } from './parts.ts';
export { Replica } from './replica.ts';
export type {
  Delivery,
  Outcome,
  PendingRequest,
  PendingState,
  ReplicaChange,
  ReplicaDescription,
  ReplicaEffect,
  ReplicaImage,
  ReplicaInput,
  ReplicaStatus,
  SeedTerms,
  WatchEvent,
  WatchMode,
  WatchOptions,
} from './types.ts';
