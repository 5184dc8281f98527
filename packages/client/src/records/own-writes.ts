import type { Json, OpId, RecordRef } from '@holdfast/protocol';
import type { Outcome } from '@holdfast/engine/replica';
import type { DeliveryDesk, Opened } from './delivery.ts';
import { foldOver, type Shown } from './overlay.ts';
import { isMadeBy, leavesOpen, seqAt } from './pending.ts';
import type { Watched } from './watch.ts';

/** The object as the server has it; `isKnown`: that there is nothing is known, too. */
export type Base = {
  readonly json: Json | undefined;
  readonly isKnown: boolean;
  readonly sequence: number;
  readonly incarnation: string | null;
};

/** A write that is committed, and of which no envelope has come. */
type Unseen = Shown & {
  readonly seq: number;
  /** Of the store that has committed it, and of what was shown then: another may have come into its place. */
  readonly of: string | null;
  readonly over: string | null;
};

/**
 * The own writes of a record that comes by envelopes: they wait in the outbox of its store like all others, and are shown over
 * what the server has until its envelopes have them (records.md §11.1).
 */
export class OwnWrites {
  readonly opened: Opened;
  readonly #ref: RecordRef;
  readonly #desk: DeliveryDesk;
  /** An envelope has them, whatever their replies say. */
  readonly #echoed = new Set<OpId>();
  #unseen: readonly Unseen[] = [];
  readonly #deafen: () => void;

  constructor(
    ref: RecordRef,
    desk: DeliveryDesk,
    { watched, base }: { readonly watched: Watched; readonly base: () => Base },
  ) {
    this.opened = desk.open(ref.store, watched, []);
    this.#ref = ref;
    this.#desk = desk;
    const { endings } = this.opened.hold.slot;
    const hear = (write: Shown, outcome: Outcome): void => this.#ended(write, outcome, base());
    endings.add(hear);
    this.#deafen = () => endings.delete(hear);
  }

  close(): void {
    this.#deafen();
    this.opened.close();
  }

  /** An envelope tells by which write it came about: it has those before that, too, for they are decided in their order. */
  echo(opId: string): void {
    const pending = this.pending();
    const at = pending.findIndex((each) => each.opId === opId);
    for (const each of pending.slice(0, at + 1)) this.#echoed.add(each.opId);
  }

  /** A write has come to its end; what is committed is shown until the envelope of it is here, so that it does not vanish. */
  #ended({ opId, request }: Shown, outcome: Outcome, base: Base): void {
    this.#echoed.delete(opId);
    if (outcome.status !== 'committed') return;
    const seq = seqAt(this.#ref.path, request, outcome.reply);
    // No envelope comes of what has changed nothing.
    if (seq === null) return;
    const { incarnation: of } = this.opened.hold.slot.status.get();
    this.#unseen = [...this.#unseen, { opId, request, seq, of, over: base.incarnation }];
    this.#look(base);
  }

  /** Those that are not decided. */
  pending(): readonly Shown[] {
    return this.opened.hold.slot.outboxNear(this.#ref.path);
  }

  /** The object with those that are committed, and its sequence by them. */
  committed({ json, sequence }: Base): Pick<Base, 'json' | 'sequence'> {
    const seq = Math.max(sequence, ...this.#unseen.map((each) => each.seq));
    if (seq === sequence) return { json, sequence };
    return { json: this.#fold(json, this.#unseen), sequence: seq };
  }

  /** The object with these writes. */
  over(base: Base): Json | undefined {
    const { json, isKnown } = base;
    this.#look(base);
    const waiting = this.pending().filter(({ opId }) => !this.#echoed.has(opId));
    const writes = [...this.#unseen, ...waiting];
    // Before the first baseline a `set` is shown, and nothing else: what it rests on is not known (records.md §11.2).
    if (writes.length === 0 || !(isKnown || isMadeBy(writes, this.#ref))) return json;
    return this.#fold(json, writes);
  }

  /** Whether there is more to come of them than is shown. */
  leavesOpen(): boolean {
    return leavesOpen(this.#ref, [...this.#unseen, ...this.pending()]);
  }

  /** Forgets what an envelope has, and what was committed to a store that is no more. */
  #look({ sequence, incarnation }: Base): void {
    this.#unseen = this.#unseen.filter(({ seq, of, over }) =>
      (of ?? incarnation) === (incarnation ?? of) ? seq > sequence : over === incarnation,
    );
  }

  #fold(base: Json | undefined, writes: readonly Shown[]): Json | undefined {
    const { mutate, env } = this.#desk;
    return foldOver({ path: this.#ref.path, base, mutate }, writes, env.wall());
  }
}

/** Whether own writes of a record wait, though its store need not be open for that. */
export function isAwaited({ store, path }: RecordRef, { room }: DeliveryDesk): boolean {
  return (room.slots.get(store)?.outboxNear(path) ?? []).length > 0;
}
