import { asPath, comparePaths, type Entry, type Leaf, type Path } from '@holdfast/protocol';
import { type Child, MapNode, type Page, pageOf, placeOf } from './node.ts';

/** Which leaves to list; bounds are compared as paths are (stores.md §1.3.4) and need not be valid paths. */
export type Range = {
  /** This path and what is below it. */
  readonly under?: Path;
  /** Least path, itself included. */
  readonly from?: string | undefined;
  /** Paths above this one only, itself excluded. */
  readonly after?: string;
  /** Paths below this one only, itself excluded. */
  readonly before?: string | undefined;
  readonly order?: 'asc' | 'desc';
};

/** Where a walk stands in one map. */
export type Frame = {
  readonly pages: readonly Page[];
  readonly prefix: string;
  slot: number;
  /** Children of the page that it has passed. */
  passed: number;
};

/**
 * Lists the leaves of a range below a map, in path order or against it, from a bound that it seeks in O(log n). Nothing
 * may change meanwhile: walk a fork where it might.
 */
export function* entriesOf(
  root: MapNode,
  under: string,
  range: Range,
): Generator<Entry, void, undefined> {
  const step = range.order === 'desc' ? -1 : 1;
  const bound = step > 0 ? least(range) : range.before;
  const frames = enter(root, under, { step, bound });
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const next = advance(frame, step);
    if (next === null) {
      frames.pop();
      continue;
    }
    const [path, child] = next;
    if (child instanceof MapNode) frames.push(...enter(child, path, { step, bound }));
    else if (inside(path, range)) yield entryOf(asPath(path), child);
    else if (bound === undefined || comparePaths(path, bound) * step > 0) return;
  }
}

/** The next child of a map with its path, or null at the end. */
export function advance(frame: Frame, step: 1 | -1): readonly [string, Child] | null {
  for (let page = frame.pages[frame.slot]; page !== undefined; page = frame.pages[frame.slot]) {
    const { keys, values } = page.open();
    const at = step > 0 ? frame.passed : keys.length - 1 - frame.passed;
    const child = values[at];
    if (child !== undefined) {
      frame.passed++;
      return [`${frame.prefix}${keys[at] ?? ''}`, child];
    }
    frame.passed = 0;
    frame.slot += step;
  }
  return null;
}

type Seek = { readonly step: 1 | -1; readonly bound: string | undefined };

/** Begins at a map, at the bound; nothing where all of the map lies before the bound. */
function enter({ pages }: MapNode, prefix: string, { step, bound }: Seek): Frame[] {
  const start = { pages, prefix, slot: step > 0 ? 0 : pages.length - 1, passed: 0 };
  if (bound === undefined) return [start];
  if (!bound.startsWith(prefix)) {
    return comparePaths(prefix, bound) * step > 0 ? [start] : [];
  }
  const [key = ''] = /^[^/]*\/?/.exec(bound.slice(prefix.length)) ?? [];
  const slot = pageOf(pages, key);
  const { keys = [] } = pages[slot]?.open() ?? {};
  const at = placeOf(keys, key);
  return [{ ...start, slot, passed: step > 0 ? at : Math.max(0, keys.length - 1 - at) }];
}

/** Whether a path lies between all bounds of a range. */
export function inside(path: string, { from, after, before }: Range): boolean {
  return (
    (from === undefined || comparePaths(path, from) >= 0) &&
    (after === undefined || comparePaths(path, after) > 0) &&
    (before === undefined || comparePaths(path, before) < 0)
  );
}

export function entryOf(path: Path, { value, type, revision }: Leaf): Entry {
  return { path, value, type, revision };
}

function least({ from, after }: Range): string | undefined {
  if (from === undefined || after === undefined) return from ?? after;
  return comparePaths(from, after) > 0 ? from : after;
}
