import type { RecordState } from './types.ts';

/** What is shown of a record that nobody uses. */
export const idleState: RecordState<never> = /* @__PURE__ */ Object.freeze({
  value: undefined,
  status: 'idle',
  sequence: 0,
  incarnation: null,
  schemaVersion: null,
  pendingIntents: 0,
  conflicts: [],
  connected: false,
  updatedAt: 0,
  lastSyncedAt: 0,
  source: null,
});
