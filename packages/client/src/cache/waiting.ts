import type { OpId } from '@holdfast/protocol';
import type { PendingRequest } from '@holdfast/engine/replica';
import type { CacheChange, Watch } from './port.ts';

type Requests = CacheChange['requests'];

/** What waits in the cache, as far as its keeper knows. */
export type Waiting = Watch & {
  /** Whether a commit goes on: what that stores is neither there nor gone. */
  readonly isStoring: boolean;
  /** Whether nothing waits that others have removed. */
  readonly isWhole: boolean;
  found(requests: readonly PendingRequest[]): void;
  storing(requests: Requests): void;
  /** It is over; what could not be stored is stored with what comes next, if anything more is stored. */
  stored(isStored: boolean, isLast: boolean): void;
};

/** Knows the requests that were stored and wait, and those of them that others have removed. */
export function waitingIn(show: () => void): Waiting {
  const kept = new Set<OpId>();
  const lost = new Set<OpId>();
  const unstored = new Map<OpId, Requests[number][1]>();
  let isStoring = false;
  return {
    get isStoring() {
      return isStoring;
    },
    get isIdle() {
      return kept.size === 0 && !isStoring;
    },
    get isWhole() {
      return lost.size === 0;
    },
    found(requests) {
      for (const { opId } of requests) kept.add(opId);
    },
    storing(requests) {
      isStoring = true;
      const { size } = lost;
      for (const [opId, request] of requests) {
        kept.delete(opId);
        unstored.set(opId, request);
        // What has left the outbox does not wait any more, whether or not that is stored.
        if (request === null) lost.delete(opId);
      }
      if (lost.size < size) show();
    },
    stored(isStored, isLast) {
      isStoring = false;
      if (isLast) unstored.clear();
      if (!isStored) return;
      const { size } = lost;
      for (const [opId, request] of unstored) {
        lost.delete(opId);
        if (request !== null) kept.add(opId);
      }
      unstored.clear();
      if (lost.size < size) show();
    },
    left(opIds) {
      const { size } = lost;
      for (const opId of kept) {
        if (opIds.has(opId)) continue;
        kept.delete(opId);
        lost.add(opId);
      }
      if (lost.size > size) show();
      return lost.size === size;
    },
  };
}
