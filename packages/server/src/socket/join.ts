import {
  asGlob,
  type Glob,
  isRefusal,
  type JoinRequest,
  type Limits,
  parseStoreName,
  readJoin,
  type Refusal,
  refuse,
} from '@holdfast/protocol';
import {
  mayUseStore,
  type Principal,
  refuseScope,
  seesStore,
  storeIdsOf,
} from '../access/index.ts';
import type { StoreHost } from '../host/store-host.ts';
import type { Storage, StoreRow } from '../storage/port.ts';
import type { SocketRoom } from './room.ts';
import type { JoinPlan, SnapshotPlan } from './terms.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TAIL_OPS_MIN = 1000;
const everything: readonly Glob[] = [asGlob('**')];

/** Finds the store of a topic for a principal, in the order of checks of stores.md §7.4.3. */
export async function admit(
  storage: Storage,
  principal: Principal,
  topic: string,
): Promise<StoreRow | Refusal> {
  const ref = topic.slice('store:'.length);
  const row = await findStore(storage, ref);
  if (row === null || row.status !== 'active' || !seesStore(principal, row)) {
    return refuse('unauthorized');
  }
  if (!mayUseStore(principal, row)) {
    return refuse('store_not_allowed', { message: 'This token is for other stores.' });
  }
  return refuseScope(principal, 'entries:read') ?? row;
}

async function findStore(storage: Storage, ref: string): Promise<StoreRow | null> {
  if (UUID.test(ref)) return storage.stores.get(ref);
  const name = parseStoreName(ref);
  return name === null ? null : storage.stores.find(name);
}

/** Reads a join payload; partial replicas are not served yet, so patterns are all or none. */
export function readJoining(
  payload: unknown,
  dialect: 3 | 4,
  limits: Limits,
): JoinRequest | Refusal {
  const request = readJoin(payload, dialect, limits);
  if (isRefusal(request) || request.patterns === null || request.patterns.length === 0) {
    return request;
  }
  const whole = request.patterns.length === 1 && request.patterns[0] === '**';
  return whole ? request : refuse('invalid_payload', { field: 'patterns' });
}

/** Who joins: a stale device holds another incarnation, or never confirmed a snapshot (stores.md §9.4.3). */
export type Joiner = {
  readonly host: StoreHost;
  readonly dialect: 3 | 4;
  readonly stale: boolean;
};

/** Picks the cut and the way to it. */
export function planJoin(room: SocketRoom, joiner: Joiner, request: JoinRequest): JoinPlan {
  const { host, dialect } = joiner;
  const silent = request.patterns?.length === 0;
  const scope = silent ? 'none' : 'all';
  const base = { scope, silent, patterns: silent ? [] : everything, last: request.lastSeq };
  const resumed = silent ? null : resumable(room, host, request);
  if (resumed !== null) return { ...base, ...resumed, from: 0, why: 'fresh', unconfirmed: false };
  const cut = host.head;
  const why = silent ? null : reason(joiner, request, scope);
  if (why === null) {
    const from = Math.min(request.lastSeq, cut);
    return { ...base, cut, from, why, snapshot: null, unconfirmed: false };
  }
  const snapshot: SnapshotPlan =
    dialect === 3
      ? { kind: 'legacy', tree: host.view().tree }
      : { kind: 'chunked', source: room.snapshots.current(host, room.clock.now()), next: 0 };
  return { ...base, cut, from: 0, why, snapshot, unconfirmed: dialect === 3 };
}

function resumable(
  room: SocketRoom,
  host: StoreHost,
  request: JoinRequest,
): Pick<JoinPlan, 'cut' | 'snapshot'> | null {
  const { snapshot, incarnation } = request;
  if (snapshot === null || (incarnation ?? host.row.incarnation) !== host.row.incarnation) {
    return null;
  }
  const source = room.snapshots.resume(host, snapshot, room.clock.now());
  if (source === null) return null;
  return { cut: source.seq, snapshot: { kind: 'chunked', source, next: snapshot.next } };
}

function reason(
  { host, dialect, stale }: Joiner,
  request: JoinRequest,
  scope: string,
): JoinPlan['why'] {
  const { lastSeq: last, incarnation } = request;
  if (dialect === 4 && last === 0 && host.head > 0) return 'fresh';
  const foreign = incarnation !== null && incarnation !== host.row.incarnation;
  if (stale || foreign) return 'incarnation';
  if (request.scope !== null && last > 0 && request.scope !== scope) return 'scope';
  return distance(host, last);
}

/** Whether the log can bring a cursor to the head, and more cheaply than a snapshot (stores.md §9.2). */
function distance(host: StoreHost, last: number): JoinPlan['why'] {
  const { head } = host;
  if (last > head) return 'ahead';
  if (last < head && last + 1 < host.oldestSeq) return 'behind';
  return head - last > Math.max(TAIL_OPS_MIN, 2 * host.describe().leaves) ? 'cheaper' : null;
}

type JoinTerms = {
  readonly dialect: 3 | 4;
  readonly principal: Principal;
  readonly host: StoreHost;
  readonly plan: JoinPlan;
};

/** The response of an accepted join (stores.md §7.4.4, §10.1). */
export function joinResponse(
  room: SocketRoom,
  { dialect, principal, host, plan }: JoinTerms,
): object {
  const base = {
    store_seq: plan.cut,
    capver: dialect,
    capver_min: 3,
    permissions: permissions(principal),
    scopes: [...principal.scopes].toSorted(),
    store_access: storeAccess(principal),
  };
  if (dialect === 3) return base;
  return {
    ...base,
    incarnation: host.row.incarnation,
    scope: plan.scope,
    patterns: plan.patterns,
    sync: plan.snapshot === null ? 'tail' : 'snapshot',
    why: plan.why,
    oldest_seq: host.oldestSeq,
    dedupe_since: host.dedupeSince,
    server_time: room.storage.now(),
    expires_at: principal.expiresAt,
    limits: room.limits,
  };
}

/** What a principal may do in a store. */
export function permissions(principal: Principal): {
  readonly read: boolean;
  readonly write: boolean;
} {
  return {
    read: principal.scopes.has('entries:read'),
    write: principal.scopes.has('entries:write'),
  };
}

/** Store access as the wire says it. */
export function storeAccess(principal: Principal): object {
  const { storeAccess: access } = principal;
  return { mode: access.mode, store_ids: storeIdsOf(access) };
}
