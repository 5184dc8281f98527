import type { Store } from '@holdfast/client';

/** What a store shows: the value of each leaf by its path. */
export const all = (store: Store): unknown =>
  Object.fromEntries(store.entries().items.map(({ path, value }) => [path, value]));
