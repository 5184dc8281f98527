import type { Frame } from '@holdfast/protocol';

/** A push that waits for its answer; `reply` is there as soon as the host has answered. */
type Slot = { readonly ref: string | null; reply: Frame | null };

/** The pushes of one channel, numbered from 0: answers leave in their order (stores.md §7.5). */
export class Answers {
  #slots: Slot[] = [];
  /** Where in `#slots` the oldest push without an answer is. */
  #head = 0;
  /** The number of the push at `#slots[0]`. */
  #base = 0;

  /** Pushes whose answers wait for no other, by numbers below 0: their refs. */
  readonly #apart = new Map<number, string | null>();
  #lastApart = 0;

  /** How many pushes wait. */
  get size(): number {
    return this.#slots.length - this.#head + this.#apart.size;
  }

  /** Takes a push whose answer waits for no other (views.md §5.6), and gives its number. */
  takeApart(ref: string | null): number {
    this.#lastApart -= 1;
    this.#apart.set(this.#lastApart, ref);
    return this.#lastApart;
  }

  /** Whether the answer to a push waits for no other; then this was it. */
  settleApart(slot: number): boolean {
    return this.#apart.delete(slot);
  }

  /** Takes a push and gives its number. */
  take(ref: string | null): number {
    this.#slots.push({ ref, reply: null });
    return this.#base + this.#slots.length - 1;
  }

  /** The ref of a push that waits for its answer; undefined: there is none of that number, or it is answered. */
  refOf(slot: number): string | null | undefined {
    if (slot < 0) return this.#apart.get(slot);
    const found = this.#at(slot);
    return found === undefined || found.reply !== null ? undefined : found.ref;
  }

  /** Keeps the answer to a push until `next` gives it out. */
  put(slot: number, reply: Frame): void {
    const found = this.#at(slot);
    if (found !== undefined) found.reply = reply;
  }

  /** The next answer that may leave now. */
  next(): Frame | null {
    const first = this.#slots[this.#head];
    if (first === undefined || first.reply === null) return null;
    this.#head += 1;
    if (this.#head === this.#slots.length || this.#head > 1024) this.#compact();
    return first.reply;
  }

  #at(slot: number): Slot | undefined {
    const at = slot - this.#base;
    return at < this.#head ? undefined : this.#slots[at];
  }

  // Cheap in the mean: what is moved is less than what was answered, or bounded by the limit of slots.
  #compact(): void {
    this.#base += this.#head;
    this.#slots = this.#slots.slice(this.#head);
    this.#head = 0;
  }
}
