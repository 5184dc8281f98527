import { type HoldfastError, RejectedError } from '@holdfast/protocol';
import { deferred } from '@holdfast/engine/registry';
import type { ReplicaStatus } from '@holdfast/engine/replica';
import type { Part } from './part.ts';
import { type ConnectionStatus, isOver, isPromising } from './connection.ts';

/** What the promises of a store depend on. */
export type Situation = Pick<ReplicaStatus, 'phase' | 'held' | 'denied' | 'denial'> & {
  /** There is something to read: it has been caught up before, and, in a cache, in a life before. */
  readonly has: 'nothing' | 'image' | 'state';
  readonly isSettled: boolean;
  readonly line: ConnectionStatus;
  readonly error: HoldfastError | undefined;
};

/** Whether what is waited for is so, not yet, or will not be. */
export type Verdict = boolean | HoldfastError;

/** Those who wait for something to become true. Nobody has to handle it when it will not. */
export class Waiters {
  readonly #looks = new Set<() => void>();

  /** Resolves when the verdict is true; rejects with one that is an error. */
  until(judge: () => unknown): Promise<void> {
    const { promise, resolve, reject } = deferred<void>();
    const look = (): void => {
      const verdict = judge();
      if (verdict === false) return;
      this.#looks.delete(look);
      if (verdict === true) resolve();
      else reject(verdict);
    };
    this.#looks.add(look);
    look();
    return promise;
  }

  /** Something may have changed. */
  look(): void {
    for (const look of this.#looks) look();
  }
}

/** Whether there is something to read of a part; an error where there never will be. */
export function isPartReady(part: Part, now: Situation): Verdict {
  const { held, denied, denial } = now;
  const isReadable = isReady(now);
  const lacks = part.beyond(held);
  if (isReadable !== true || lacks.length === 0) return isReadable;
  const isDenied = part.beyond(denied, lacks).length < lacks.length;
  return isDenied && denial !== null && RejectedError.from(denial);
}

function isReady({ phase, has, line, error }: Situation): Verdict {
  if (phase === 'live' || (has === 'state' && phase !== 'refused')) return true;
  if (error !== undefined && (phase === 'refused' || isOver(line))) return error;
  return has === 'image' && !isPromising(line);
}

/** Whether nothing is pending. */
export function isSettled(now: Situation): boolean {
  return now.isSettled;
}

/** Whether the store is joined, or cannot be for now; an error where the server refuses it. */
export function isReached({ phase, line, error }: Situation): Verdict {
  if (phase === 'refused' && line.connection === 'connected' && error !== undefined) return error;
  return phase === 'live' || phase === 'catching_up' || !isPromising(line);
}
