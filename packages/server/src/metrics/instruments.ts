/** One number of a family. `suffix` tells the parts of a histogram apart. */
export type Sample = {
  readonly suffix?: '_bucket' | '_sum' | '_count';
  readonly labels: { readonly [name: string]: string };
  readonly value: number;
};

/** What Prometheus calls a metric family: one name, one kind, a number for each set of labels. */
export type Family = {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** Read at a scrape, never before. */
  samples(): readonly Sample[];
};

const none = {};

/** Counts up. The hot path adds to a number, and that is all. */
export class Counter implements Family {
  readonly kind = 'counter';
  readonly name: string;
  readonly help: string;
  value = 0;

  constructor(name: string, help: string) {
    this.name = name;
    this.help = help;
  }

  add(count = 1): void {
    this.value += count;
  }

  samples(): readonly Sample[] {
    return [{ labels: none, value: this.value }];
  }
}

/** Counts by labels, whose values come from closed sets: reasons, ops, routes. Never from clients. */
export class Tally implements Family {
  readonly kind = 'counter';
  readonly name: string;
  readonly help: string;
  readonly #labels: readonly string[];
  readonly #counts = new Map<string, { count: number; readonly values: readonly string[] }>();

  constructor(name: string, help: string, labels: readonly string[]) {
    this.name = name;
    this.help = help;
    this.#labels = labels;
  }

  /** Adds one to the number of these label values, in the order of the labels. */
  add(...values: readonly string[]): void {
    const key = values.length === 1 ? (values[0] ?? '') : values.join(' ');
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { count: 1, values });
    else known.count += 1;
  }

  /** The sum over all labels. */
  get total(): number {
    let total = 0;
    for (const { count } of this.#counts.values()) total += count;
    return total;
  }

  samples(): readonly Sample[] {
    return [...this.#counts.values()].map(({ count, values }) => ({
      labels: Object.fromEntries(this.#labels.map((label, at) => [label, values[at] ?? ''])),
      value: count,
    }));
  }
}

/** Seconds, from a quarter of a millisecond to ten. */
const secondBounds = [
  0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** How long something took, in buckets of seconds. */
export class Histogram implements Family {
  readonly kind = 'histogram';
  readonly name: string;
  readonly help: string;
  /** How many fell into each bucket and no lower one; the last is beyond all bounds. */
  readonly #counts: number[] = Array.from({ length: secondBounds.length + 1 }, () => 0);
  #sum = 0;
  #count = 0;

  constructor(name: string, help: string) {
    this.name = name;
    this.help = help;
  }

  get count(): number {
    return this.#count;
  }

  /** Notes one duration, given in milliseconds as clocks tell them. */
  observeMs(ms: number): void {
    const seconds = ms / 1000;
    let at = 0;
    while (at < secondBounds.length && seconds > (secondBounds[at] ?? Infinity)) at += 1;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += seconds;
    this.#count += 1;
  }

  samples(): readonly Sample[] {
    let below = 0;
    const buckets = secondBounds.map((bound, at): Sample => {
      below += this.#counts[at] ?? 0;
      return { suffix: '_bucket', labels: { le: String(bound) }, value: below };
    });
    return [
      ...buckets,
      { suffix: '_bucket', labels: { le: '+Inf' }, value: this.#count },
      { suffix: '_sum', labels: none, value: this.#sum },
      { suffix: '_count', labels: none, value: this.#count },
    ];
  }
}

/** What a reading gives: one number, or one for each value of a label; null while there is none to tell. */
export type Reading = number | null | { readonly [value: string]: number };

/** A number that is looked up at a scrape. */
export class Gauge implements Family {
  readonly kind: 'gauge' | 'counter';
  readonly name: string;
  readonly help: string;
  readonly #label: string;
  readonly #read: () => Reading;

  constructor(
    name: string,
    help: string,
    how: { readonly read: () => Reading; readonly label?: string; readonly kind?: 'counter' },
  ) {
    this.name = name;
    this.help = help;
    this.kind = how.kind ?? 'gauge';
    this.#label = how.label ?? 'kind';
    this.#read = how.read;
  }

  samples(): readonly Sample[] {
    const reading = this.#read();
    if (reading === null) return [];
    if (typeof reading === 'number') return [{ labels: none, value: reading }];
    return Object.entries(reading).map(([value, number]) => ({
      labels: { [this.#label]: value },
      value: number,
    }));
  }
}
