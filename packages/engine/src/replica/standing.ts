import type { ReplicaStatus } from './types.ts';

/** Refusals of a join by which what was readable may be so no more (stores.md §11.3). */
export const rights: ReadonlySet<string> = new Set([
  'unauthorized',
  'store_not_allowed',
  'missing_scope',
  'path_not_allowed',
]);

/** Whether there is news for people and consoles. */
export function differs(a: ReplicaStatus, b: ReplicaStatus): boolean {
  const known: readonly unknown[] = Object.values(b);
  return Object.values(a).some((each, index) => each !== known[index]);
}
