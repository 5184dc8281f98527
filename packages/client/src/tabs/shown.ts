import { MapRows, Scope } from '@holdfast/engine/data';
import type { QuerySight, ReplicaImage } from '@holdfast/engine/replica';
import {
  type EntryTuple,
  entryTuple,
  type MapTuple,
  type Path,
  type Pattern,
} from '@holdfast/protocol';
import type { QueryStep } from '@holdfast/protocol/record';
import { patternOf } from '../watch.ts';

/** A window as another tab was told of it. */
export type Shown = Pick<QuerySight, 'hasMore' | 'endCursor'> & { readonly rows: readonly Path[] };

/** Whether nothing is to be told. */
export function isSame(shown: Shown, { rows, hasMore, endCursor }: QuerySight): boolean {
  return (
    shown.hasMore === hasMore &&
    shown.endCursor === endCursor &&
    shown.rows.length === rows?.length &&
    shown.rows.every((path, at) => path === rows[at])
  );
}

/** Steps from one window to another. */
export function stepsBetween(
  before: readonly Path[],
  after: readonly Path[],
): readonly QueryStep[] {
  const stays = new Set(after);
  const steps: QueryStep[] = before.filter((path) => !stays.has(path)).map((path) => ['del', path]);
  const list = before.filter((path) => stays.has(path));
  const had = new Set(list);
  for (const [at, path] of after.entries()) {
    if (list[at] === path) continue;
    const previous = after[at - 1] ?? null;
    if (had.has(path)) list.splice(list.indexOf(path, at), 1);
    list.splice(at, 0, path);
    steps.push([had.has(path) ? 'mov' : 'ins', path, previous]);
  }
  return steps;
}

/** The pattern of an object and all below it. */
function patternUnder(object: Path): Pattern {
  const pieces = object.split('/').map((each) => (/^\*{1,2}$/.test(each) ? `\\${each}` : each));
  return patternOf(`${pieces.join('/')}/**`);
}

/** The leaves of objects, and the maps of them, as a snapshot has them (stores.md §10.3). */
export function contentOf(
  { loaded: tree }: ReplicaImage,
  objects: readonly Path[],
): { readonly entries: readonly EntryTuple[]; readonly maps: readonly MapTuple[] } {
  const entries: EntryTuple[] = [];
  const maps: MapTuple[] = [];
  if (tree === undefined) return { entries, maps };
  for (const object of objects) {
    const rows = new MapRows(tree, new Scope([patternUnder(object)]));
    for (const entry of tree.entries({ under: object })) {
      rows.pass(entry);
      entries.push(entryTuple(entry));
    }
    maps.push(...rows.finish());
  }
  return { entries, maps };
}
