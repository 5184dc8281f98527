import type { Client, ConnectionStatus } from '@holdfast/client';
import { syncStatus, type SyncStatus } from '@holdfast/client/signals';
import { useScope } from './scope.ts';
import { type AnySignal, useSignal } from './signal.ts';

/** How far the client as a whole is in step with its server. */
export function useSyncStatus(client?: Client): SyncStatus {
  return useSignal(drawnAs(syncStatus(useScope('useSyncStatus', client).client), notYet));
}

/** How the connection is doing. */
export function useConnectionStatus(client?: Client): ConnectionStatus {
  const { status } = useScope('useConnectionStatus', client).client;
  return useSignal<ConnectionStatus>(drawnAs(status, connecting));
}

const connecting = { connection: 'connecting', attempts: 0 } as const;
const notYet = { ...connecting, pending: 0, unsent: 0, isSynced: false, lastSyncedAt: 0 } as const;

const drawn = /* @__PURE__ */ new WeakMap<object, object>();

/** A signal of the connection, as a server and a browser that has yet to connect draw it alike. */
function drawnAs<T>(signal: AnySignal<T>, as: T): AnySignal<T> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- set below for this very signal
  const known = drawn.get(signal) as AnySignal<T> | undefined;
  const made = known ?? {
    get: () => signal.get(),
    subscribe: (listener) => signal.subscribe(listener),
    getServer: () => as,
  };
  drawn.set(signal, made);
  return made;
}
