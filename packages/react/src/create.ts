import type { Client } from '@holdfast/client';
import type { ReactElement } from 'react';
import { useAll } from './all.ts';
import {
  type UseCollection,
  useCollection,
  type UseCollectionState,
  useCollectionState,
  useOne,
} from './collection.ts';
import { useCommand, useEvent } from './command.ts';
import { useEntries, useEntriesState, useEntry, useEntryState } from './entry.ts';
import { usePresence } from './presence.ts';
import { type UseRecord, useRecord, type UseRecordState, useRecordState } from './record.ts';
import { HoldfastProvider, type ProviderProps, useClient, useErrorReset } from './scope.ts';
import { useSignal } from './signal.ts';
import { useConnectionStatus, useSyncStatus } from './status.ts';
import { useAsync, useSnapshot, useUpload } from './snapshot.ts';
import { useStore, useStoreState } from './store.ts';
import { type UseView, useView, type UseViewState, useViewState } from './view.ts';

/** The provider and every hook, for an application whose server's app is of this type (registry.md §10). */
// oxlint-disable-next-line typescript/no-explicit-any -- as the client's: an app that is not named is any
export type Holdfast<App = any> = {
  readonly HoldfastProvider: (props: ProviderProps<App>) => ReactElement;
  readonly useAll: typeof useAll;
  readonly useAsync: typeof useAsync;
  readonly useClient: (override?: Client<App>) => Client<App>;
  readonly useCollection: UseCollection<App>;
  readonly useCollectionState: UseCollectionState<App>;
  readonly useCommand: typeof useCommand;
  readonly useConnectionStatus: typeof useConnectionStatus;
  readonly useEntries: typeof useEntries;
  readonly useEntriesState: typeof useEntriesState;
  readonly useEntry: typeof useEntry;
  readonly useEntryState: typeof useEntryState;
  readonly useErrorReset: typeof useErrorReset;
  readonly useEvent: typeof useEvent;
  readonly useOne: typeof useOne;
  readonly usePresence: typeof usePresence;
  readonly useRecord: UseRecord<App>;
  readonly useRecordState: UseRecordState<App>;
  readonly useSignal: typeof useSignal;
  readonly useSnapshot: typeof useSnapshot;
  readonly useStore: typeof useStore;
  readonly useStoreState: typeof useStoreState;
  readonly useSyncStatus: typeof useSyncStatus;
  readonly useUpload: typeof useUpload;
  readonly useView: UseView<App>;
  readonly useViewState: UseViewState<App>;
};

/**
 * The provider and every hook; `App` is the type of the server's app. Each is also exported by its name: who imports only some of them bundles only those.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
export function createHoldfast<App = any>(): Holdfast<App> {
  const hooks = {
    HoldfastProvider,
    useAll,
    useAsync,
    useClient,
    useCollection,
    useCollectionState,
    useCommand,
    useConnectionStatus,
    useEntries,
    useEntriesState,
    useEntry,
    useEntryState,
    useErrorReset,
    useEvent,
    useOne,
    usePresence,
    useRecord,
    useRecordState,
    useSignal,
    useSnapshot,
    useStore,
    useStoreState,
    useSyncStatus,
    useUpload,
    useView,
    useViewState,
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the server serves only its type tells
  return hooks as unknown as Holdfast<App>;
}
