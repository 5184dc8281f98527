export { entriesSignal, entryScope, entrySignal, isReady, whenClosed } from './store.ts';
export type { StoreSignal } from './shown.ts';
export { type Readable, toSvelte } from './svelte.ts';
export { connectionStatus } from './connection.ts';
