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
  const get = (): SyncStatus => {
    // While it is in step the time goes on, which is no change of the status.
    const now = statusOf(room, last.isSynced ? room.settings.env.wall() : last.lastSyncedAt);
    if (!isEqual(now, last)) last = now;
    return last;
  };
  return {
    get,
    subscribe: (listener) => {
      let told = get();
      // A change may be one of the connection and of several stores, and one of them none of the whole.
      const hear = (): void => {
        if (told === get()) return;
        told = last;
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

function statusOf({ connection, slots, settings }: Room, syncedBefore: number): SyncStatus {
  const line = connection.get();
  const open = [...slots.values()].filter(({ opened }) => opened !== null);
  const outbox = open.flatMap((slot) => slot.outbox());
  const isSynced =
    line.connection === 'connected' && open.every(({ status }) => status.get().synced);
  const error = line.error ?? open.map(({ status }) => status.get().error).find(Boolean);
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

const compared = ['connection', 'attempts', 'pending', 'unsent', 'isSynced', 'error'] as const;

function isEqual(a: SyncStatus, b: SyncStatus): boolean {
  return compared.every((name) => a[name] === b[name]);
}
