import { type Refusal, refuse, type Rollback } from '@holdfast/protocol';
import type { RollbackRequest } from '@holdfast/engine/data';
import { refuseReturn, stateAt } from '../host/history.ts';

type Past = Parameters<typeof stateAt>[0];

const RETRY_MS = 1000;

/** What a channel's rollbacks go back to. One after the other: to look is work that only its commit is charged for. */
export class Restoring {
  readonly #host: Past;
  readonly #refuse: () => Refusal | null;
  #last: Promise<unknown> = Promise.resolve();
  #isOver = false;

  /** `refuse`: why a write would not pass now. */
  constructor(host: Past, refusal: () => Refusal | null) {
    this.#host = host;
    this.#refuse = refusal;
  }

  /** The request that is to be decided; or why it cannot be. */
  prepare(asked: Rollback): Promise<RollbackRequest | Refusal> {
    const looking = this.#last.then(() => this.#look(asked));
    this.#last = looking.catch(() => undefined);
    return looking;
  }

  /** Nobody waits for the rest. */
  end(): void {
    this.#isOver = true;
  }

  async #look(asked: Rollback): Promise<RollbackRequest | Refusal> {
    if (this.#isOver) return refuse('unavailable', { retry_after_ms: RETRY_MS });
    const refusal = refuseReturn(this.#host, asked.toSeq) ?? this.#refuse();
    if (refusal !== null) return refusal;
    return { op: 'rollback', ...asked, target: await stateAt(this.#host, asked.toSeq) };
  }
}
