import { isRefusal, type Refusal, refuse, type Rollback } from '@holdfast/protocol';
import type { RollbackRequest } from '@holdfast/engine/data';
import { type Look, orgOf } from '../access/index.ts';
import { refuseReturn, targetOf } from '../host/history.ts';
import type { SocketRoom } from './room.ts';
import { refusalIn } from './status.ts';
import type { ChannelTerms } from './terms.ts';

const RETRY_MS = 1000;

type Room = {
  readonly rates: Pick<SocketRoom['rates'], 'look'>;
  readonly audit: Pick<SocketRoom['audit'], 'note'>;
};

type Terms = Pick<ChannelTerms, 'principal'> & {
  readonly host: Parameters<typeof targetOf>[0] & Pick<ChannelTerms['host'], 'row'>;
};

/** A channel's rollbacks, one after the other: what it goes back to, and how long the server looks for that. */
export class Restoring {
  readonly #room: Room;
  readonly #terms: Terms;
  readonly #refuse: () => Refusal | null;
  readonly #looks = new Map<Rollback, Look>();
  #last: Promise<unknown> = Promise.resolve();
  #isOver = false;

  /** `refuse`: why a write would not pass now. */
  constructor(room: Room, terms: Terms, refusal: () => Refusal | null) {
    this.#room = room;
    this.#terms = terms;
    this.#refuse = refusal;
  }

  /** The request that is to be decided; or why it cannot be. Its look goes on until it is {@link answered}. */
  prepare(asked: Rollback): Promise<RollbackRequest | Refusal> {
    const looking = this.#last.then(() => this.#look(asked)).catch(refusalIn);
    this.#last = looking.catch(() => undefined);
    return looking;
  }

  /** Its verdict, asked for right before it is decided. */
  counting<T>(asked: Rollback | undefined, verdict: () => T): () => T {
    const look = asked && this.#looks.get(asked);
    return look?.counting(verdict) ?? verdict;
  }

  /** It came to something, or nobody asks for it any more. What was done is noted; that never rejects. */
  answered(asked: Rollback, answer: object | null): void {
    this.#looks.get(asked)?.end();
    this.#looks.delete(asked);
    if (answer === null || isRefusal(answer)) return;
    const { row } = this.#terms.host;
    void this.#room.audit.note({
      act: 'store.rolled_back',
      org: orgOf(row.name),
      actor: this.#terms.principal.subject,
      store: row,
      target: asked.path ?? null,
      details: { to_seq: asked.toSeq },
    });
  }

  /** Nobody waits for the rest. */
  end(): void {
    this.#isOver = true;
  }

  /** Nothing is answered any more. */
  lost(): void {
    for (const look of this.#looks.values()) look.end();
    this.#looks.clear();
  }

  async #look(asked: Rollback): Promise<RollbackRequest | Refusal> {
    const { host, principal } = this.#terms;
    if (this.#isOver) return refuse('unavailable', { retry_after_ms: RETRY_MS });
    const refusal = refuseReturn(host, asked.toSeq) ?? this.#refuse();
    if (refusal !== null) return refusal;
    const look = this.#room.rates.look(principal, host.row.id);
    this.#looks.set(asked, look);
    const target = await targetOf(host, asked, look);
    look.pause();
    return isRefusal(target) ? target : { op: 'rollback', ...asked, target };
  }
}
