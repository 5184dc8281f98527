import { type Refusal, refuse } from '../refusals.ts';
import { isText } from '../shape.ts';
import { isInteger } from './guards.ts';

const ttlDefaultMs = 30_000;
const ttlMaxMs = 86_400_000;
const holderBytesMax = 256;

/** Reads `ttl_ms` of lease and renew (stores.md §5.2.1). */
export function readTtl(ttlMs: unknown): number | Refusal {
  if (ttlMs === undefined || ttlMs === null) return ttlDefaultMs;
  return isInteger(ttlMs) && ttlMs >= 1 && ttlMs <= ttlMaxMs ? ttlMs : refuse('invalid_ttl');
}

/** Reads `token` of renew and release (stores.md §5.2.1). */
export function readToken(token: unknown): number | Refusal {
  return isInteger(token) ? token : refuse('invalid_lease_op');
}

/** Reads `holder` of lease (stores.md §5.2.1). */
export function readHolder(holder: unknown): string | null | Refusal {
  if (holder === undefined || holder === null) return null;
  return isText(holder, holderBytesMax) ? holder : refuse('invalid_lease_op');
}
