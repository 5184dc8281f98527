import type { Client } from '@holdfast/client';
import type { ReactElement } from 'react';
import { useEntries, useEntriesState, useEntry, useEntryState } from './entry.ts';
import { usePresence } from './presence.ts';
import { useAll, useRecord, useRecordState } from './record.ts';
import { HoldfastProvider, type ProviderProps, useClient, useErrorReset } from './scope.ts';
import { useSignal } from './signal.ts';
import { useConnectionStatus, useSyncStatus } from './status.ts';
import { useStore, useStoreState } from './store.ts';

/** The provider and every hook, for an application whose server's app is of this type (registry.md §10). */
export type Holdfast<App = unknown> = {
  readonly HoldfastProvider: (props: ProviderProps<App>) => ReactElement;
  readonly useAll: typeof useAll;
  readonly useClient: (override?: Client<App>) => Client<App>;
  readonly useConnectionStatus: typeof useConnectionStatus;
  readonly useEntries: typeof useEntries;
  readonly useEntriesState: typeof useEntriesState;
  readonly useEntry: typeof useEntry;
  readonly useEntryState: typeof useEntryState;
  readonly useErrorReset: typeof useErrorReset;
  readonly usePresence: typeof usePresence;
  readonly useRecord: typeof useRecord;
  readonly useRecordState: typeof useRecordState;
  readonly useSignal: typeof useSignal;
  readonly useStore: typeof useStore;
  readonly useStoreState: typeof useStoreState;
  readonly useSyncStatus: typeof useSyncStatus;
};

/**
 * The provider and every hook; `App` is the type of the server's app. Each is also exported by its name: who imports only some of them bundles only those.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only the server's code has it
export function createHoldfast<App = unknown>(): Holdfast<App> {
  return {
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
  };
}
