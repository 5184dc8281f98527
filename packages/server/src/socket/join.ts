import { countIn, type PathGrants, type Scope } from '@holdfast/engine/data';
import {
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
  rightsName,
  seesStore,
  storeIdsOf,
} from '../access/index.ts';
import type { StoreHost } from '../host/store-host.ts';
import { type Storage, StorageError, type StoreRow } from '../storage/port.ts';
import type { SocketRoom } from './room.ts';
import { type ChannelScope, everything, hashIn, scopeName, unreadable } from './scope.ts';
import type { Reading } from './snapshot.ts';
import type { JoinPlan } from './terms.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TAIL_OPS_MIN = 1000;
const RETRY_MS = 1000;
/** Leaves out of scope that are looked at to count those in it. */
const LOOKS_MAX = 20_000;

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

/** What a join asks for: of that, what may be read in part at least, and what cannot match anything readable. */
export type Asked = {
  readonly request: JoinRequest;
  readonly patterns: readonly Glob[];
  readonly denied: readonly Glob[];
};

/** Reads a join payload; there must be something that the principal may read of what it asks for (stores.md §10.4.1). */
export function readJoining(
  payload: unknown,
  { dialect, readable }: { readonly dialect: 3 | 4; readonly readable: Scope },
  limits: Limits,
): Asked | Refusal {
  const request = readJoin(payload, dialect, limits);
  if (isRefusal(request)) return request;
  const asked = request.patterns ?? everything;
  const denied = new Set(unreadable(asked, readable));
  const patterns = asked.filter((each) => !denied.has(each));
  const [first] = asked;
  if (first === undefined || patterns.length > 0) return { request, patterns, denied: [...denied] };
  return refuse('path_not_allowed', {
    path: first,
    message: 'The path rules of this token let it read nothing of this.',
  });
}

/** Who joins: a stale device holds another incarnation or scope, or never confirmed a snapshot (stores.md §9.4.3). */
export type Joiner = {
  readonly host: StoreHost;
  readonly dialect: 3 | 4;
  readonly scope: ChannelScope;
  readonly denied: JoinPlan['denied'];
  readonly stale: boolean;
  /** What it has was rendered by nobody who may say so, or altered since (records.md §18). */
  readonly forged?: boolean;
};

/** Picks the cut and the way to it. */
export async function planJoin(
  room: SocketRoom,
  joiner: Joiner,
  request: JoinRequest,
): Promise<JoinPlan> {
  const { host, dialect, scope, denied } = joiner;
  const silent = scope.patterns.length === 0;
  const base = { scope, denied, last: request.lastSeq };
  const resumed = silent ? null : resumable(room, joiner, request);
  if (resumed !== null) return { ...base, ...resumed, from: 0, why: 'fresh', unconfirmed: false };
  const why = silent ? null : reason(joiner, request);
  if (why === null) {
    const cut = host.head;
    const from = Math.min(request.lastSeq, cut);
    return { ...base, cut, from, why, snapshot: null, unconfirmed: false };
  }
  if (dialect === 3) {
    const { tree, seq: cut } = host.view();
    const snapshot = { kind: 'legacy', take: takenOnce(tree) } as const;
    return { ...base, cut, from: 0, why, snapshot, unconfirmed: true };
  }
  const reading = await room.snapshots.shared(host, scope, room.clock);
  return { ...base, ...inChunks(reading), from: 0, why, unconfirmed: false };
}

function inChunks(reading: Reading): Pick<JoinPlan, 'cut' | 'snapshot'> {
  const isResumed = reading.index > 0;
  const snapshot = { kind: 'chunked', isResumed, take: takenOnce(reading) } as const;
  return { cut: reading.snapshot.seq, snapshot };
}

/** Gives something once, and then has it no longer. */
function takenOnce<T>(thing: T): () => T {
  let held: { readonly thing: T } | null = { thing };
  return () => {
    if (held === null) throw new Error('It has been taken.');
    const taken = held.thing;
    held = null;
    return taken;
  };
}

/** The way to the present and why it is not the log, as the figures count them. */
export function catchUpOf({ snapshot, why, from, cut }: JoinPlan): readonly [string, string] {
  if (snapshot === null) return [from < cut ? 'tail' : 'none', 'none'];
  const isResumed = snapshot.kind === 'chunked' && snapshot.isResumed;
  return [isResumed ? 'resumed' : 'snapshot', why ?? 'none'];
}

function resumable(
  room: SocketRoom,
  { host, scope }: Joiner,
  request: JoinRequest,
): Pick<JoinPlan, 'cut' | 'snapshot'> | null {
  const { snapshot, incarnation } = request;
  if (snapshot === null || (incarnation ?? host.row.incarnation) !== host.row.incarnation) {
    return null;
  }
  const reading = room.snapshots.resume({ host, scope }, snapshot, room.clock.now());
  return reading === null ? null : inChunks(reading);
}

function reason(joiner: Joiner, request: JoinRequest): JoinPlan['why'] {
  const { host, dialect, scope, stale } = joiner;
  const { lastSeq: last, incarnation } = request;
  if (dialect === 4 && last === 0 && host.head > 0) return 'fresh';
  const foreign = incarnation !== null && incarnation !== host.row.incarnation;
  if (stale || foreign) return 'incarnation';
  if (request.scope !== null && last > 0 && hashIn(request.scope) !== scope.hash) return 'scope';
  return distance(joiner, last);
}

/** Whether the log can bring what a client has to the head, and more cheaply than a snapshot (stores.md §9.2). */
function distance({ host, scope, forged }: Joiner, last: number): JoinPlan['why'] {
  const { head } = host;
  if (forged === true && last > 0) return 'seed';
  if (last > head) return 'ahead';
  if (last < head && last + 1 < host.oldestSeq) return 'behind';
  const lacks = head - last;
  if (lacks <= TAIL_OPS_MIN) return null;
  // With half as many leaves the tail is no dearer, however many more there are.
  const most = { passedMax: LOOKS_MAX, enough: lacks / 2 };
  const leaves = scope.leaves.isWhole
    ? host.describe().leaves
    : countIn(host.view().tree, scope.leaves, most);
  return lacks > 2 * leaves ? 'cheaper' : null;
}

type JoinTerms = {
  readonly dialect: 3 | 4;
  readonly principal: Principal;
  readonly grants: PathGrants | null;
  readonly host: StoreHost;
  readonly plan: JoinPlan;
};

/** The response of an accepted join (stores.md §7.4.4, §10.1). */
export function joinResponse(
  room: SocketRoom,
  { dialect, principal, grants, host, plan }: JoinTerms,
): object {
  const base = {
    store_seq: plan.cut,
    capver: dialect,
    capver_min: 3,
    permissions: permissions(principal, grants),
    scopes: [...principal.scopes].toSorted(),
    store_access: storeAccess(principal),
  };
  if (dialect === 3) return base;
  return {
    ...base,
    incarnation: host.row.incarnation,
    scope: scopeName(plan.scope, plan.sight?.account),
    patterns: plan.scope.patterns,
    rights: rightsName(grants?.read),
    ...(plan.denied.length > 0 && { denied: plan.denied }),
    sync: plan.snapshot === null ? 'tail' : 'snapshot',
    why: plan.why,
    oldest_seq: host.oldestSeq,
    dedupe_since: host.dedupeSince,
    server_time: room.storage.now(),
    expires_at: principal.expiresAt,
    limits: { ...room.limits, ...room.rates.of(principal) },
  };
}

/** What a principal may do in a store, be it in a part of it. */
export function permissions(
  principal: Principal,
  grants: PathGrants | null,
): { readonly read: boolean; readonly write: boolean } {
  return {
    read: principal.scopes.has('entries:read') && grants?.read.isEmpty !== true,
    write: principal.scopes.has('entries:write') && grants?.write.isEmpty !== true,
  };
}

/** Store access as the wire says it. */
export function storeAccess(principal: Principal): object {
  const { storeAccess: access } = principal;
  return { mode: access.mode, store_ids: storeIdsOf(access) };
}

/** A disk in trouble is no reason to give up for good; clients of capver 3 know no better word for it. */
export function crashResponse(error: unknown, dialect: 3 | 4 | null): object {
  const passes = error instanceof StorageError && dialect !== 3;
  if (!passes) return { reason: 'join crashed' };
  return refuse('unavailable', { retry_after_ms: RETRY_MS }).toResponse();
}
