/** One pair of measurements: ours, and the limit it is held against, taken one right after the other. */
export type Round = { readonly ours: number; readonly limit: number };

/** A figure that the README states. */
export type Figure = {
  readonly id: string;
  readonly unit: string;
  /** What `limit` is, in words. */
  readonly against: string;
  /** The ratio ours / limit must be at least, or at most, this. */
  readonly goal: { readonly ratio: number; readonly at: 'least' | 'most' };
  /** Measures once. `quick`: only to see that it works. */
  measure(quick: boolean): Promise<Round>;
};

/** A row of `bench/results.json`. */
export type Result = {
  readonly ours: number;
  readonly limit: number;
  readonly unit: string;
  readonly ratio: number;
  readonly goal: string;
  readonly pass: boolean;
};

/** The medians of the rounds: of each side, and of the ratio taken round by round. */
export function summarise(figure: Figure, rounds: readonly Round[]): Result {
  const ratio = median(rounds.map(({ ours, limit }) => ours / limit));
  const { at, ratio: bound } = figure.goal;
  return {
    ours: rounded(median(rounds.map(({ ours }) => ours))),
    limit: rounded(median(rounds.map(({ limit }) => limit))),
    unit: figure.unit,
    ratio: rounded(ratio),
    goal: at === 'least' ? `>= ${bound}` : `<= ${bound}`,
    pass: at === 'least' ? ratio >= bound : ratio <= bound,
  };
}

/** The middle value; the lower of the two for an even count. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
