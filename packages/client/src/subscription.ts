import type { Pattern } from '@holdfast/protocol';
import type { WatchEvent, WatchOptions } from '@holdfast/engine/replica';

/** One subscription of an application, and what it is to be told. */
export type Subscription = {
  readonly pattern: Pattern;
  readonly options: WatchOptions;
  event(event: WatchEvent): unknown;
  /** Its queue overflowed, and it is over (stores.md §18 C14). */
  dropped(): unknown;
  /** The store was closed under it. */
  closed(): unknown;
  isLive: boolean;
};
