import type { OpId } from '@holdfast/protocol';
import type { CacheChange, Watch } from './port.ts';

type Requests = CacheChange['requests'];

/** What waits in the cache, as far as its keeper knows. */
export type Waiting = Watch & {
  /** Whether a commit goes on: what that stores is neither there nor gone. */
  isStoring: boolean;
  /** Whether nothing waits that others have removed. */
  readonly isWhole: boolean;
  storing(requests: Requests): void;
  stored(requests: Requests): void;
};

/** Knows the requests that were stored and wait, and those of them that others have removed. */
export function waitingIn(show: () => void): Waiting {
  const kept = new Set<OpId>();
  const lost = new Set<OpId>();
  return {
    isStoring: false,
    get isIdle() {
      return kept.size === 0 && !this.isStoring;
    },
    get isWhole() {
      return lost.size === 0;
    },
    storing(requests) {
      this.isStoring = true;
      for (const [opId] of requests) kept.delete(opId);
    },
    stored(requests) {
      this.isStoring = false;
      const { size } = lost;
      for (const [opId, request] of requests) {
        lost.delete(opId);
        if (request !== null) kept.add(opId);
      }
      if (size > 0) show();
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
