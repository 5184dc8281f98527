import type { EpochMs } from '@holdfast/protocol';

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/** An instant as HTTP writes it: RFC 3339 in UTC. */
export function writeTime(at: EpochMs | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

/** Reads an instant of RFC 3339 with its offset; null if it is anything else. */
export function readTime(text: unknown): EpochMs | null {
  if (typeof text !== 'string' || !rfc3339.test(text)) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at;
}
