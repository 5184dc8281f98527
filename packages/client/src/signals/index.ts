export { entriesSignal, entryScope, entrySignal, isReady } from './store.ts';
export { syncStatus, type SyncStatus } from './sync.ts';
