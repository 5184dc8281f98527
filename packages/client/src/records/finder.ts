import type * as evaluate from './evaluate.ts';

/** What finds the rows of collections. */
export type Finder = typeof evaluate;

/** It, once it is loaded. */
export const finder: { loaded?: Finder } = {};
