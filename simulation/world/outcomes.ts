import type { Outcome } from '@holdfast/engine/replica';
import type { OpId, Request } from '@holdfast/protocol';
import type { MadeWrite } from '../validators/history.ts';
import { OwnWrites } from './own-writes.ts';

/** What a device was told of its writes, over all its lives. */
export class Outcomes {
  readonly #made = new Map<OpId, MadeWrite>();
  /** Refused, but the cache does not know yet: a kill forgets that they were. */
  readonly #fragile = new Set<OpId>();
  /** It cannot be known what became of these. */
  readonly #lost = new Set<OpId>();
  /** Those of this life. */
  readonly own = new OwnWrites();
  #token = 0;

  /** The token of the last lease that was granted. */
  get token(): number {
    return this.#token;
  }

  asked(opId: OpId, request: Request): void {
    this.own.asked(opId);
    this.#made.set(opId, { opId, isGuarded: isGuarded(request), outcome: 'unknown' });
  }

  /** Notes an outcome; says what is wrong with it, if anything is. */
  told(opId: OpId, outcome: Outcome): string | null {
    this.own.told(opId, outcome);
    const told = outcomeOf(outcome);
    const [known, now] = [this.#made.get(opId)?.outcome, told].map((each) => JSON.stringify(each));
    if (told === 'unknown') this.#lost.add(opId);
    else this.#note(opId, told);
    if (outcome.status === 'refused') {
      if (told !== 'unknown') this.#fragile.add(opId);
    } else if ('token' in outcome.reply) this.#token = outcome.reply.token ?? 0;
    // After a kill the same may be told again, or that nobody can know.
    const isNew = known === '"unknown"' || told === 'unknown' || known === now;
    return isNew ? null : `${opId} had two outcomes: ${known} and ${now}`;
  }

  /** The cache knows that a write is decided. */
  saved(opId: OpId): void {
    this.#fragile.delete(opId);
  }

  /** The process ends, and with it what nobody else knew. */
  forget(): void {
    for (const opId of this.#fragile) this.#note(opId, 'unknown');
    this.#fragile.clear();
    this.own.forget();
  }

  /** Whether somebody was told that it is refused, or that it cannot be known. */
  isOver(opId: OpId): boolean {
    if (this.#lost.has(opId)) return true;
    const outcome = this.#made.get(opId)?.outcome ?? 'unknown';
    return outcome !== 'unknown' && 'refused' in outcome;
  }

  list(): readonly MadeWrite[] {
    // What was given up may come when others that were made later have come: a server had it already.
    return [...this.#made.values()].map((made) =>
      this.#lost.has(made.opId) ? Object.assign({}, made, { isGuarded: true }) : made,
    );
  }

  #note(opId: OpId, outcome: MadeWrite['outcome']): void {
    const made = this.#made.get(opId);
    if (made !== undefined) this.#made.set(opId, { ...made, outcome });
  }
}

function outcomeOf(outcome: Outcome): MadeWrite['outcome'] {
  if (outcome.status === 'committed') {
    const { reply } = outcome;
    return 'released' in reply ? 'unknown' : { committed: reply.store_seq };
  }
  const { code } = outcome.refusal;
  return code === 'outcome_unknown' ? 'unknown' : { refused: code };
}

/** Whether others may make a request impossible. */
export function isGuarded(request: Request): boolean {
  if (request.op === 'transact') return request.ops.some(isGuarded);
  const isLease = request.op === 'lease' || request.op === 'renew' || request.op === 'release';
  return isLease || 'ifMatch' in request || 'ifAbsent' in request || 'fence' in request;
}
