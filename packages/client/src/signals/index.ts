export { entriesSignal, entrySignal, isReady } from './store.ts';
