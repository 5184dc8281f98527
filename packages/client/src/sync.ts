import type { HoldfastError } from '@holdfast/protocol';
import { releaseOnce, type Signal } from '@holdfast/engine/registry';
import type { ConnectionStatus } from './connection.ts';
import type { Room } from './room.ts';

/** How far a client as a whole is in step with its server (records.md §10). */
export type SyncStatus = {
  readonly connection: ConnectionStatus['connection'];
  /** 0 while it is connected; else how often it failed since a connection last lived for a minute. */
  readonly attempts: number;
  /** Own writes of all stores that are not decided yet. */
  readonly pending: number;
  /** Of those, the ones that have not been sent. */
  readonly unsent: number;
  /** Own writes of records that met another's, and wait to be resolved (records.md §11.4). */
  readonly conflicts: number;
  /** Connected, nothing pending, and every open store, record and view caught up. */
  readonly isSynced: boolean;
  /** When it last was, in epoch milliseconds; 0: not yet. */
  readonly lastSyncedAt: number;
  /** Whether own writes go to the server from here: where tabs share a connection, only the one that leads sends them. */
  readonly outboxLeader: boolean;
  /** Why the connection was given up, or the first store that is open cannot be used. */
  readonly error?: HoldfastError;
};

/** The status of a client as a whole: the same object until something in it changes. */
export function syncStatusOf(room: Room): Signal<SyncStatus> {
  let last: SyncStatus | undefined;
  const get = (): SyncStatus => {
    const before = last?.isSynced === true ? room.settings.env.wall() : (last?.lastSyncedAt ?? 0);
    const now = statusOf(room, before);
    if (last === undefined || !isSame(now, last)) last = now;
    return last;
  };
  // When it was in step for the last time is known only in the moment when it no longer is; that it is, only to who looks.
  const notice = (): void => {
    if (isInStep(room) !== (last?.isSynced === true)) get();
  };
  room.connection.subscribe(notice);
  room.activity.subscribe(notice);
  return {
    get,
    subscribe: (listener) => {
      let told = get();
      // A change may be one of the connection and of several stores, and one of them none of the whole.
      const hear = (): void => {
        if (told === get()) return;
        told = get();
        listener();
      };
      const leave = room.connection.subscribe(hear);
      const release = room.activity.subscribe(hear);
      return releaseOnce(() => {
        leave();
        release();
      });
    },
  };
}

/** Asked for with whatever changes, so it makes nothing. */
function isInStep(room: Room): boolean {
  if (room.connection.get().connection !== 'connected') return false;
  for (const { opened, status } of room.slots.values()) {
    if (opened !== null && !status.get().synced) return false;
  }
  for (const { isBehind } of room.parties) if (isBehind) return false;
  return true;
}

function statusOf(room: Room, syncedBefore: number): SyncStatus {
  const { connection, attempts, error: lost } = room.connection.get();
  const open = [...room.slots.values()].filter(({ opened }) => opened !== null);
  const statuses = open.map(({ status }) => status.get());
  const parties = [...room.parties];
  const isSynced = isInStep(room);
  const error = lost ?? statuses.find((status) => status.error)?.error;
  return {
    connection,
    attempts,
    // Counted, not listed: it may be asked for with each of thousands of writes.
    pending: sumOf(statuses.map(({ pending }) => pending)),
    unsent: sumOf(open.map(({ opened }) => opened?.replica?.unsent ?? 0)),
    conflicts: sumOf(parties.map(({ conflicts }) => conflicts)),
    isSynced,
    lastSyncedAt: isSynced ? room.settings.env.wall() : syncedBefore,
    outboxLeader: room.settings.tabs?.isLeading !== false,
    ...(error !== undefined && { error }),
  };
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** While it is in step the time goes on, which is no change of the status. */
function isSame(a: SyncStatus, b: SyncStatus): boolean {
  return Object.entries({ error: undefined, ...b }).every(
    ([name, value]) => name === 'lastSyncedAt' || Object.is(Reflect.get(a, name), value),
  );
}
