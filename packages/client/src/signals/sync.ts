import { releaseOnce, type Signal } from '@holdfast/engine/registry';
import type { Client } from '../client.ts';
import { roomOf } from '../doors.ts';
import type { Room } from '../room.ts';
import type { ConnectionStatus } from '../connection.ts';

/** How far a client as a whole is in step with its server (records.md §10). */
export type SyncStatus = {
  readonly connection: ConnectionStatus['connection'];
  /** Failed attempts since it last worked. */
  readonly attempts: number;
  /** Own writes of all stores that are not decided yet. */
  readonly pending: number;
  /** Of those, the ones that have not been sent. */
  readonly unsent: number;
  /** Connected, nothing pending, and every open store caught up. */
  readonly isSynced: boolean;
  /** When it last was, in epoch milliseconds; 0: not yet. */
  readonly lastSyncedAt: number;
  /** Why the connection was given up, or the first store that is open cannot be used. */
  readonly error?: unknown;
};

const known: WeakMap<Client, Signal<SyncStatus>> = /* @__PURE__ */ new WeakMap();

/** The status of a client as a whole: the same object until something in it changes. */
export function syncStatus(client: Client): Signal<SyncStatus> {
  const room = roomOf(client);
  const signal = known.get(client) ?? signalOf(room);
  known.set(client, signal);
  return signal;
}

function signalOf(room: Room): Signal<SyncStatus> {
  let last = statusOf(room, 0);
  return {
    get: () => {
      // While it is in step the time goes on, which is no change of the status.
      const now = statusOf(room, last.isSynced ? room.settings.env.wall() : last.lastSyncedAt);
      if (!isEqual(now, last)) last = now;
      return last;
    },
    subscribe: (listener) => {
      const releases = [room.connection.subscribe(listener), room.activity.subscribe(listener)];
      return releaseOnce(() => {
        for (const release of releases) release();
      });
    },
  };
}

function statusOf({ connection, slots, settings }: Room, syncedBefore: number): SyncStatus {
  const line = connection.get();
  const open = [...slots.values()].filter(({ opened }) => opened !== null);
  const outbox = open.flatMap((slot) => slot.outbox());
  const isSynced =
    line.connection === 'connected' && open.every(({ status }) => status.get().synced);
  const error = line.error ?? open.map(({ status }) => status.get().error).find(isDefined);
  return {
    connection: line.connection,
    attempts: line.attempts,
    pending: outbox.length,
    unsent: outbox.filter(({ firstSentAt }) => firstSentAt === null).length,
    isSynced,
    lastSyncedAt: isSynced ? settings.env.wall() : syncedBefore,
    ...(error !== undefined && { error }),
  };
}

function isDefined(error: unknown): boolean {
  return error !== undefined;
}

function isEqual(a: SyncStatus, b: SyncStatus): boolean {
  return (
    a.connection === b.connection &&
    a.attempts === b.attempts &&
    a.pending === b.pending &&
    a.unsent === b.unsent &&
    a.isSynced === b.isSynced &&
    a.error === b.error
  );
}
