import { isObject } from '@holdfast/protocol';

/** How much one token may do (stores.md §12.1, §12.2): so many a minute, and so many at once. */
export type RateLimits = {
  readonly writes_per_minute: number;
  readonly write_burst: number;
  readonly reads_per_minute: number;
  readonly read_burst: number;
  readonly joins_per_minute: number;
  /** Milliseconds for which the server looks through one store, as for what was, or for what hardly anything fits. */
  readonly look_ms_per_minute: number;
  readonly look_burst_ms: number;
};

/** The defaults of stores.md §12.1, and a tenth of a processor for looks. */
export const defaultRates: RateLimits = {
  writes_per_minute: 6000,
  write_burst: 1000,
  reads_per_minute: 60_000,
  read_burst: 6000,
  joins_per_minute: 600,
  look_ms_per_minute: 6000,
  look_burst_ms: 5000,
};

/** Whether these are rates, each one that there is and a positive integer. */
export function isRates(value: unknown): value is Partial<RateLimits> {
  return (
    isObject(value) &&
    Object.entries(value).every(
      ([name, rate]) =>
        Object.hasOwn(defaultRates, name) && Number.isSafeInteger(rate) && Number(rate) > 0,
    )
  );
}

/** The rates in force; a name or a number that limits nothing is an error of the caller. */
export function ratesOf(overrides: Partial<RateLimits> = {}): RateLimits {
  for (const [name, rate] of Object.entries(overrides)) {
    if (!Object.hasOwn(defaultRates, name)) throw new TypeError(`There is no rate "${name}".`);
    if (Number.isSafeInteger(rate) && rate > 0) continue;
    throw new RangeError(`The rate "${name}" is ${rate}; it must be a positive integer.`);
  }
  return { ...defaultRates, ...overrides };
}
