'use client';

export { type Loadable, type Loaded, useAll } from './all.ts';
export {
  type CollectionView,
  type UseCollection,
  useCollection,
  type UseCollectionState,
  useCollectionState,
  useOne,
} from './collection.ts';
export { type Command, useCommand, useEvent } from './command.ts';
export { createHoldfast, type Holdfast } from './create.ts';
export { forbidWrites } from './drawing.ts';
export {
  type Entry,
  type StoreHook,
  useEntries,
  useEntriesState,
  useEntry,
  useEntryState,
} from './entry.ts';
export { type PresenceView, usePresence } from './presence.ts';
export {
  type RecordView,
  type SourceView,
  type UseRecord,
  useRecord,
  type UseRecordState,
  useRecordState,
} from './record.ts';
export {
  HoldfastProvider,
  type HookOptions,
  type ProviderProps,
  useClient,
  useErrorReset,
} from './scope.ts';
export { type AnySignal, useSignal } from './signal.ts';
export type { HookState } from './state.ts';
export { useConnectionStatus, useSyncStatus } from './status.ts';
export { useStore, useStoreState } from './store.ts';
export { type UploadView, useAsync, useSnapshot, useUpload } from './snapshot.ts';
export {
  type ShownView,
  type UseView,
  useView,
  type UseViewState,
  useViewState,
  type ViewHook,
  type ViewState,
} from './view.ts';
