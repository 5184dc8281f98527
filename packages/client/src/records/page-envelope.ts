import { HoldfastError } from '@holdfast/protocol';
import { canonicalJson, encodeExact, type Envelope, readEnvelope } from '@holdfast/protocol/record';
import type { Told } from './asking.ts';
import type { DeliveryDesk, Followed } from './delivery.ts';
import type { PageEnvelope } from './rendered.ts';
import { snapshotsOf } from './snapshots.ts';

/** What a record has begun with comes from a page, and the server has yet to say what it thinks of that (records.md §18). */
export class PageSeed {
  readonly proof: string | null;
  readonly #envelope: unknown;
  readonly #desk: DeliveryDesk;
  readonly #followed: Followed;

  private constructor(desk: DeliveryDesk, followed: Followed, page: Required<PageEnvelope>) {
    this.proof = page.proof;
    this.#envelope = page.envelope;
    this.#desk = desk;
    this.#followed = followed;
  }

  /** null: no page has it, or it is proved. */
  static of(desk: DeliveryDesk, followed: Followed): PageSeed | null {
    const { envelope, proof } = desk.room.rendered.envelopes.get(followed.key) ?? {};
    return proof === undefined ? null : new PageSeed(desk, followed, { envelope, proof });
  }

  /** Whether an envelope is newer, so that it comes from elsewhere. */
  isBelow(envelope: unknown): boolean {
    const [now, then] = [readEnvelope(envelope), readEnvelope(this.#envelope)];
    return 'fault' in now || 'fault' in then || now.sequence > then.sequence;
  }

  /** Whether what the server tells shows that this did not come from it as it is: it is ahead of it, or another. */
  isDisprovedBy(told: Told): boolean {
    const page = readEnvelope(this.#envelope);
    const truth = readEnvelope(toldIn(told));
    if ('fault' in page || 'fault' in truth) return false;
    const hasBoth = page.incarnation !== null && truth.incarnation !== null;
    if (hasBoth && page.incarnation !== truth.incarnation) return false;
    if (page.sequence !== truth.sequence) return page.sequence > truth.sequence;
    return canonicalJson(encodeExact(page.value)) !== canonicalJson(encodeExact(truth.value));
  }

  /** It is not so. */
  disown(): void {
    const why = 'it is not as it was rendered';
    this.#desk.room.rendered.envelopes.delete(this.#followed.key);
    if (this.proof !== null) this.#desk.report(new HoldfastError('invalid_seed', { why }));
  }

  /** Whether the server has it too. Unless there is something newer, it is like what the server has sent. */
  isProvedBy(told: Told): boolean {
    const isCurrent = told.type === 'answer' && told.answer.type === 'current';
    if (!isCurrent && 'fault' in readEnvelope(toldIn(told))) return false;
    const { proof } = this.#desk.room.rendered.envelopes.get(this.#followed.key) ?? {};
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it has passed the gates
    if (proof !== undefined) keep(this.#desk, this.#followed, this.#envelope as Envelope);
    return true;
  }
}

/** Keeps what the server has sent for the next client, and for who renders a page; null: there is nothing any more. */
export function keep(
  desk: DeliveryDesk,
  { key, record }: Followed,
  envelope: Envelope | null,
): void {
  snapshotsOf(desk)?.put(key, record.name, envelope);
  if (envelope === null) desk.room.rendered.envelopes.delete(key);
  else desk.room.rendered.envelopes.set(key, { envelope });
}

function toldIn(told: Told): unknown {
  if (told.type === 'fetched') return told.message;
  return told.answer.type === 'snapshot' ? told.answer.envelope : null;
}
