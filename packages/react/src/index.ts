'use client';

export {
  HoldfastProvider,
  type HookOptions,
  type ProviderProps,
  useClient,
  useErrorReset,
} from './scope.ts';
export { useSignal } from './signal.ts';
export type { HookState } from './state.ts';
export { useStore, useStoreState } from './store.ts';
