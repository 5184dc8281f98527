export { conduct, type Deferred, deferred } from './deferred.ts';
export { alarm, type Lasting, Pool, type PoolConfig } from './pool.ts';
export { Registry } from './registry.ts';
export { type Signal, observe } from './signal.ts';
export { releaseOnce } from './release.ts';
export type {
  CloseContext,
  CloseReason,
  EntryInfo,
  EntryState,
  Env,
  GetOptions,
  HoldOptions,
  Lease,
  LoadContext,
  OnMismatch,
  RegistryConfig,
  RegistryEvent,
  RegistryProblem,
  RegistryStats,
  Release,
  RetryPolicy,
} from './types.ts';
