export { entriesSignal, entryScope, entrySignal, isReady, whenClosed } from './store.ts';
export { syncStatus, type SyncStatus } from './sync.ts';
