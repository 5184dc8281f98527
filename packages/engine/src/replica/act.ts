import {
  jsonEquals,
  type Json,
  type Leaf,
  type OpName,
  type Path,
  type Seq,
} from '@holdfast/protocol';
import type { Change } from '../data/index.ts';
import { ancestorsOf } from './touched.ts';
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

/** What an observer is told: what has changed at a path, or below it; an own request that comes or goes may change nothing. */
export type Seen = Pick<Act, 'path' | 'own' | 'changes'>;

/** Called amid a step with what it changes; null: perhaps anything. Whoever is called reads nothing before the step ends. */
export type Observe = (acts: readonly Seen[] | null) => void;

/** Says by which act each change came about: one of those given, and for the rest a change of our own. */
export function attributed(
  given: readonly Act[],
  changes: readonly Change[],
  previousAt: (path: Path) => Json | undefined,
): readonly Act[] {
  const causes = new Map<Path, { act: Act; changes: Change[] }>();
  for (const act of given) {
    causes.delete(act.path);
    causes.set(act.path, { act, changes: [] });
  }
  const strays: Act[] = [];
  for (const change of changes) {
    const { path, after } = change;
    const above = [path, ...ancestorsOf(path)].flatMap((each) => causes.get(each) ?? []);
    for (const each of above) each.changes.push(change);
    if (above.length > 0) continue;
    const op = after === undefined ? 'delete' : 'set';
    const previous = change.before?.value;
    const audience = modeBits.all;
    strays.push({ path, op, seq: null, own: true, audience, previous, changes: [change] });
  }
  const acts: Act[] = [];
  for (const { act, changes: caused } of causes.values()) {
    const previous = previousAt(act.path);
    if (caused.length > 0) acts.push({ ...act, previous, changes: caused });
  }
  return [...acts, ...strays];
}

/** Whether two leaves look the same to a reader; revisions are not looked at. */
export function looksEqual(a: Leaf | undefined, b: Leaf | undefined): boolean {
  return a?.type === b?.type && jsonEquals(a?.value, b?.value);
}
