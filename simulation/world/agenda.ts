const busyMax = 10_000;

type Item = { readonly at: number; readonly order: number; readonly run: () => void };

/** Virtual time: what is to happen, in order; nothing waits for a clock. */
export class Agenda {
  #now = 0;
  #order = 0;
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

  /** Lets time pass, and happen what is due. Throws where so much is due at once that somebody asks for it in vain. */
  advance(ms: number): void {
    const until = this.#now + ms;
    let count = 0;
    for (let next = this.#items[0]; next !== undefined && next.at <= until; next = this.#items[0]) {
      this.#pop();
      count = next.at > this.#now ? 0 : count + 1;
      if (count > busyMax) throw new Error(`time stands still at ${this.#now} ms`);
      this.#now = next.at;
      next.run();
    }
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
