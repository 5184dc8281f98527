import type * as Seldom from './seldom.ts';

/** What few pages ask for: a part of the bundle that is loaded when it is first needed. */
export const seldom = (): Promise<typeof Seldom> => import('./seldom.ts');
