import type { Client, ConnectionStatus } from '@holdfast/client';
import { syncStatus, type SyncStatus } from '@holdfast/client/signals';
import { useScope } from './scope.ts';
import { useDrawnAs, useSignal } from './signal.ts';

/** How far the client as a whole is in step with its server. */
export function useSyncStatus(client?: Client): SyncStatus {
  return useSignal(useDrawnAs(syncStatus(useScope('useSyncStatus', client).client), notYet));
}

/** How the connection is doing. */
export function useConnectionStatus(client?: Client): ConnectionStatus {
  const { status } = useScope('useConnectionStatus', client).client;
  return useSignal(useDrawnAs<ConnectionStatus>(status, connecting));
}

const connecting = { connection: 'connecting', attempts: 0 } as const;
const notYet = { ...connecting, pending: 0, unsent: 0, isSynced: false, lastSyncedAt: 0 } as const;
