import { defaultLimits } from '@holdfast/protocol';

/** How a store topic is addressed in every figure. */
export const topic = 'store:bench/main';

/** What a server says to a client that has joined all of a store, and has all of it but what follows. */
export function joinReply(seq: number): object {
  return {
    store_seq: seq,
    capver: 4,
    capver_min: 3,
    permissions: { read: true, write: true },
    scopes: ['entries:read', 'entries:write'],
    store_access: { mode: 'all', store_ids: [] },
    incarnation: 'feeder',
    scope: 'all',
    patterns: ['**'],
    sync: 'tail',
    why: null,
    oldest_seq: 1,
    dedupe_since: 0,
    server_time: 0,
    expires_at: null,
    limits: defaultLimits,
  };
}
