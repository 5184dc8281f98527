import { HoldfastError } from '@holdfast/protocol';
import { type Deferred, deferred } from '@holdfast/engine/registry';
import type { RecordState } from './types.ts';

/** Who waits; `isNeeding` is for something to show. */
type Waiting = {
  readonly isOver: () => boolean;
  readonly isNeeding: boolean;
  readonly done: Deferred<void>;
};

/** Those who wait for a record. */
export class Awaited {
  #waiting: readonly Waiting[] = [];

  /** Resolves when it is over; one that needs something to show is rejected where there will never be anything. */
  until(
    isOver: () => boolean,
    { isNeeding, state }: { isNeeding: boolean; state: RecordState<unknown> },
  ): Promise<void> {
    const done = deferred<void>();
    this.#waiting = [...this.#waiting, { isOver, isNeeding, done }];
    this.look(state);
    return done.promise;
  }

  look({ status, error }: RecordState<unknown>): void {
    const isLost = status === 'denied' || status === 'closed';
    const over = this.#waiting.filter(({ isOver }) => isOver());
    this.#waiting = this.#waiting.filter((each) => !over.includes(each));
    for (const { done, isNeeding } of over) {
      if (isLost && isNeeding) done.reject(error ?? new HoldfastError(status));
      else done.resolve();
    }
  }
}
