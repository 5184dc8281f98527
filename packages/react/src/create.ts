import { useEntries, useEntriesState, useEntry, useEntryState } from './entry.ts';
import { usePresence } from './presence.ts';
import { useAll, useRecord, useRecordState } from './record.ts';
import { HoldfastProvider, useClient, useErrorReset } from './scope.ts';
import { useSignal } from './signal.ts';
import { useConnectionStatus, useSyncStatus } from './status.ts';
import { useStore, useStoreState } from './store.ts';

const hooks = {
  HoldfastProvider,
  useAll,
  useClient,
  useConnectionStatus,
  useEntries,
  useEntriesState,
  useEntry,
  useEntryState,
  useErrorReset,
  usePresence,
  useRecord,
  useRecordState,
  useSignal,
  useStore,
  useStoreState,
  useSyncStatus,
} as const;

/** The provider and every hook, for an application (registry.md §10). */
export type Holdfast = typeof hooks;

/**
 * The provider and every hook. Each is also exported by its name: who imports only some of them bundles only those.
 */
export function createHoldfast(): Holdfast {
  return hooks;
}
