export { Authority } from './authority.ts';
export { clientOf } from './clients.ts';
export { type ExpiredLease, LeaseDeadlines } from './lease-deadlines.ts';
export type { Quotas } from './quota.ts';
export { type Asking, recordFor, recordOf } from './repeats.ts';
export type {
  Answer,
  AuthorityConfig,
  AuthorityDescription,
  AuthorityEffect,
  AuthorityEvent,
  AuthorityInput,
  Batch,
  Instant,
  LoggedOp,
  LoneRequest,
  Submission,
} from './types.ts';
