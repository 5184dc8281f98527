import type { EpochMs } from '@holdfast/protocol';

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/** The last instant that RFC 3339 can write: what ends after it ends there, as far as anybody is told. */
export const INSTANT_MS_MAX: EpochMs = Date.parse('9999-12-31T23:59:59.999Z');

/** An instant as HTTP writes it: RFC 3339 in UTC. */
export function writeTime(at: EpochMs | null): string | null {
  return at === null ? null : new Date(Math.min(at, INSTANT_MS_MAX)).toISOString();
}

/** Reads an instant of RFC 3339 with its offset; null if it is anything else. */
export function readTime(text: unknown): EpochMs | null {
  if (typeof text !== 'string' || !rfc3339.test(text)) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at;
}
