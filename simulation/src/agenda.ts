import { Trace } from './trace.ts';

const busyMax = 10_000;

type Item = { readonly at: number; readonly order: number; readonly run: () => void };

/** Virtual time: what is to happen, in order; nothing waits for a clock. */
export class Agenda {
  /** What happened when, and how long it was. */
  readonly trace: Trace = new Trace();
  #now = 0;
  #order = 0;
  #atOnce = 0;
  /** A binary heap, the next item first. */
  readonly #items: Item[] = [];

  get now(): number {
    return this.#now;
  }

  later(ms: number, run: () => void): void {
    this.at(this.#now + Math.max(0, ms), run);
  }

  /** At a time, exactly; what is due at the same time happens in the order of the calls. */
  at(time: number, run: () => void): void {
    this.#order += 1;
    this.#push({ at: time, order: this.#order, run });
  }

  /** When the next is due; null where nothing is. */
  get next(): number | null {
    return this.#items[0]?.at ?? null;
  }

  /** Lets the next happen, and time pass until then. Throws where so much is due at once that somebody asks for it in vain. */
  step(): void {
    const next = this.#items[0];
    if (next === undefined) return;
    this.#pop();
    this.#atOnce = next.at > this.#now ? 0 : this.#atOnce + 1;
    if (this.#atOnce > busyMax) throw new Error(`time stands still at ${this.#now} ms`);
    this.#now = Math.max(this.#now, next.at);
    this.trace.add(this.#now);
    next.run();
  }

  /** Lets time pass, and happen what is due. */
  advance(ms: number): void {
    const until = this.#now + ms;
    while (this.next !== null && this.next <= until) this.step();
    this.#now = until;
  }

  #push(item: Item): void {
    const items = this.#items;
    let place = items.length;
    items.push(item);
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = items[above];
      if (parent === undefined || isBefore(parent, item)) break;
      items[place] = parent;
      place = above;
    }
    items[place] = item;
  }

  #pop(): void {
    const items = this.#items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return;
    let place = 0;
    for (;;) {
      const child = this.#smallerChild(place);
      const item = items[child];
      if (item === undefined || isBefore(last, item)) break;
      items[place] = item;
      place = child;
    }
    items[place] = last;
  }

  #smallerChild(place: number): number {
    const left = 2 * place + 1;
    const [a, b] = [this.#items[left], this.#items[left + 1]];
    return a !== undefined && b !== undefined && isBefore(b, a) ? left + 1 : left;
  }
}

function isBefore(a: Item, b: Item): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
