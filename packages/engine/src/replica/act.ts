import {
  jsonEquals,
  type Json,
  type Leaf,
  type OpName,
  type Path,
  type Seq,
} from '@holdfast/protocol';
import type { Change } from '../data/index.ts';
import type { WatchMode } from './types.ts';

/** Which modes of subscription hear of something: a set of bits. */
export type Audience = number;

/** The bit of each mode. */
export const modeBits: { readonly [Mode in WatchMode]: Audience } = {
  all: 1,
  committed: 2,
  optimistic: 4,
};

/** One op, committed or own, as subscribers hear of it: what it did to the leaves (stores.md §18 C11). */
export type Act = {
  readonly path: Path;
  readonly op: OpName | 'refused';
  /** null until committed. */
  readonly seq: Seq | null;
  readonly own: boolean;
  readonly audience: Audience;
  /** What was at the path before. */
  readonly previous: Json | undefined;
  readonly changes: readonly Change[];
};

/** Says who did something, and who shall hear of it. */
export type Stamp = Pick<Act, 'own' | 'audience'>;

/** Called amid a step with what it changes; null: perhaps anything. Whoever is called reads nothing before the step ends. */
export type Observe = (acts: readonly Act[] | null) => void;

/** Whether two leaves look the same to a reader; revisions are not looked at. */
export function looksEqual(a: Leaf | undefined, b: Leaf | undefined): boolean {
  return a?.type === b?.type && jsonEquals(a?.value, b?.value);
}
