import type { Client, ConnectionStatus, SyncStatus } from '@holdfast/client';
import { connectionStatus } from '@holdfast/client/signals';
import { useScope } from './scope.ts';
import { useDrawnAs, useSignal } from './signal.ts';

/** How far the client as a whole is in step with its server. */
export function useSyncStatus(client?: Client): SyncStatus {
  return useSignal(useDrawnAs<SyncStatus>(useScope('useSyncStatus', client).client.status, notYet));
}

/** How the connection is doing. */
export function useConnectionStatus(client?: Client): ConnectionStatus {
  const { client: of } = useScope('useConnectionStatus', client);
  return useSignal(useDrawnAs(connectionStatus(of), connecting));
}

const connecting: ConnectionStatus = { connection: 'connecting', attempts: 0 };
const notYet: SyncStatus = {
  ...connecting,
  pending: 0,
  unsent: 0,
  conflicts: 0,
  isSynced: false,
  lastSyncedAt: 0,
  outboxLeader: false,
};
