import type { CollectionState, RecordState } from './types.ts';

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

/** What is shown of a collection of which nothing is known. */
export const noRows: CollectionState<never> = /* @__PURE__ */ Object.freeze({
  rows: [],
  status: 'idle',
  ready: false,
  hasMore: false,
  endCursor: null,
});

/** Whether nothing has changed. */
export function isSameState(a: object, b: object): boolean {
  const names = Object.keys({ ...a, ...b });
  return names.every((name) => Object.is(Reflect.get(a, name), Reflect.get(b, name)));
}
