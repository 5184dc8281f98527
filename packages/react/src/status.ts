import type { Client, ConnectionStatus } from '@holdfast/client';
import { syncStatus, type SyncStatus } from '@holdfast/client/signals';
import { useScope } from './scope.ts';
import { useSignal } from './signal.ts';

/** How far the client as a whole is in step with its server. */
export function useSyncStatus(client?: Client): SyncStatus {
  return useSignal(syncStatus(useScope('useSyncStatus', client).client));
}

/** How the connection is doing. */
export function useConnectionStatus(client?: Client): ConnectionStatus {
  return useSignal(useScope('useConnectionStatus', client).client.status);
}
