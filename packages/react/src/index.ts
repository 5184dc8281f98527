'use client';

export { createHoldfast, type Holdfast } from './create.ts';
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
  type Loadable,
  type Loaded,
  type RecordView,
  useAll,
  useRecord,
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
