import { HoldfastError } from '@holdfast/protocol';
import type * as Seldom from './seldom.ts';

/** A part of the bundle that is loaded when it is first needed: without a network it cannot be had, as the server cannot. */
export const later = <T>(part: Promise<T>): Promise<T> =>
  part.catch((cause: unknown) => {
    throw new HoldfastError('unavailable', { cause });
  });

/** What few pages ask for. */
export const seldom = (): Promise<typeof Seldom> => later(import('./seldom.ts'));
