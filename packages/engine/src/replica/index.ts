export type { Observe, Seen } from './act.ts';
export { Ledger } from './ledger.ts';
export type { Listing, ListPage, ListQuery, ShownEntry } from './listing.ts';
export { type OutboxLimits, outboxMax, type ReplicaConfig } from './config.ts';
export type { Guest, QueryAsk, QuerySight } from './parts.ts';
export { Queries } from './queries.ts';
export { sharedScope } from './following.ts';
export { Replica, scopeId } from './replica.ts';
export { rights } from './standing.ts';
export { merge } from './subscriptions.ts';
export { toldMs } from './told.ts';
export { TouchedPaths } from './touched.ts';
export type {
  Delivery,
  KeptQuery,
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
