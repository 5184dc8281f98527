import type { PathGrants } from '@holdfast/engine/data';
import { type DeviceId, HoldfastError, isRefusal, type Refusal, refuse } from '@holdfast/protocol';
import { grantsOf, type Principal } from '../access/index.ts';
import type { StoreHold } from '../host/stores.ts';
import { isLike } from './devices.ts';
import { admit, type Asked, planJoin, readJoining } from './join.ts';
import type { SocketRoom } from './room.ts';
import { accountIn, channelScope } from './scope.ts';
import type { JoinPlan } from './terms.ts';
import type { Viewer } from './viewers.ts';

const RETRY_AFTER_MS = 1000;
const everyGrant = grantsOf(null);

/** Who joins, and how it speaks. */
export type Joining = {
  readonly dialect: 3 | 4;
  readonly deviceId: DeviceId;
  readonly principal: Principal;
};

/** A join that is accepted: the store that it holds open, and the way to the present. */
export type StoreJoin = {
  readonly hold: StoreHold;
  readonly grants: PathGrants | null;
  readonly plan: JoinPlan;
};

/** Decides a join in the order of stores.md §7.4.3; the caller releases the hold. */
export async function joinStore(
  room: SocketRoom,
  joining: Joining,
  { topic, payload }: { readonly topic: string; readonly payload: unknown },
): Promise<StoreJoin | Refusal> {
  const { dialect, principal } = joining;
  const row = await admit(room.storage, principal, topic);
  if (isRefusal(row)) return row;
  const limited = room.rates.join(principal);
  if (limited !== null) return limited;
  const byRules = pathGrants(principal, dialect);
  const { read: readable } = byRules ?? everyGrant;
  const asked = readJoining(payload, { dialect, readable }, room.limits);
  if (isRefusal(asked)) return asked;
  const held = await holdStore(room, row.id);
  if (isRefusal(held)) return held;
  let hold = held;
  try {
    const looking = lookAt(room, principal, held);
    hold = looking.hold;
    const grants = veiled(byRules, looking.viewer);
    const settling = { ...joining, ...looking, grants: grants ?? everyGrant };
    const plan = await settle(room, settling, asked);
    if (!hold.host.stopped) return { hold, grants, plan };
  } catch (error) {
    hold.release();
    throw error;
  }
  hold.release();
  return unavailable();
}

/** Who looks at a store, held as long as that, where something may be hidden from a principal; null: nothing is. */
function lookAt(
  room: SocketRoom,
  principal: Principal,
  hold: StoreHold,
): { readonly hold: StoreHold; readonly viewer: Viewer | null } {
  const { host } = hold;
  const veil = room.veilOf?.(principal, host) ?? null;
  if (veil === null) return { hold, viewer: null };
  const fanned = room.fanouts.hold(host, room);
  const viewed = fanned.fanout.view(veil);
  const release = (): void => {
    for (const each of [viewed, fanned, hold]) each.release();
  };
  return { hold: { host, release }, viewer: viewed.viewer };
}

/** On capver 3 nothing is written that may not be read (stores.md §11.2.1). */
function pathGrants({ pathRules = null }: Principal, dialect: 3 | 4): PathGrants | null {
  if (pathRules === null) return null;
  const { read, write } = grantsOf(pathRules);
  if (read.isWhole && write.isWhole) return null;
  return { read, write: dialect === 3 ? write.within(read) : write };
}

/** What records hide, nobody reads, whatever path rules say (records.md §17). */
function veiled(grants: PathGrants | null, viewer: Viewer | null): PathGrants | null {
  if (viewer === null) return grants;
  const { read, write } = grants ?? everyGrant;
  return { read: read.under(viewer.veil), write };
}

async function holdStore(room: SocketRoom, id: string): Promise<StoreHold | Refusal> {
  try {
    return await room.stores.hold(id);
  } catch (error) {
    const code = error instanceof HoldfastError ? error.code : null;
    if (code === 'unauthorized') return refuse('unauthorized');
    if (code === 'unavailable') return unavailable();
    throw error;
  }
}

function unavailable(): Refusal {
  return refuse('unavailable', { retry_after_ms: RETRY_AFTER_MS });
}

/** Plans the join; for capver 3 the device record is durable before the reply (stores.md §9.4.3). */
async function settle(
  room: SocketRoom,
  joining: Joining & {
    readonly hold: StoreHold;
    readonly grants: PathGrants;
    readonly viewer: Viewer | null;
  },
  { request, patterns, denied }: Asked,
): Promise<JoinPlan> {
  const { dialect, deviceId, grants, principal, viewer } = joining;
  const { host } = joining.hold;
  await host.refresh();
  const scope = channelScope(patterns, grants.read);
  if (dialect === 4) {
    const { forged, outline } = room.seeds.judge(principal.subject, host.row.name, request);
    const plan = await planJoin(
      room,
      { host, dialect, scope, denied, stale: false, forged },
      request,
    );
    if (viewer === null) return plan;
    const account = viewer.account(accountIn(request.scope), request.lastSeq);
    return { ...plan, outline, sight: { viewer, account } };
  }
  const { name, incarnation } = host.row;
  const { devices } = room.storage;
  const record = await devices.get(name, deviceId);
  const subject = principal.subject;
  const confirmed = { incarnation, scope: scope.hash, unconfirmed: false, subject };
  // What is hidden may have changed meanwhile.
  const known = scope.veil === null && (record === null || isLike(record, confirmed));
  const stale = !known && request.lastSeq > 0;
  const plan = await planJoin(room, { host, dialect, scope, denied, stale }, request);
  await devices.put(name, deviceId, { ...confirmed, unconfirmed: plan.unconfirmed });
  return plan;
}
