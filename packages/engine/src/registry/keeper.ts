import type { Announcer } from './announcer.ts';
import type { Closings } from './closings.ts';
import type { Settings } from './settings.ts';

/** Counters that entries keep for their registry. */
export interface Tally {
  loads: number;
  hits: number;
  failures: number;
  retries: number;
  evictions: number;
  listenerErrors: number;
}

/** What an entry needs of its registry. */
export interface Keeper<T, O extends object> {
  readonly settings: Settings<T, O>;
  readonly announcer: Announcer<T>;
  readonly closings: Closings<T, O>;
  readonly tally: Tally;
  readonly disposed: boolean;
  /** Unique in the registry, and rising. */
  nextGeneration(): number;
  /** Whether a developer has yet to be told about this key. */
  firstMismatch(key: string): boolean;
  /** The entry was used: last in line for capacity. */
  used(key: string, entry: object): void;
  /** The last hold of an entry ended. */
  vacated(): void;
  removed(key: string, entry: object): void;
}
