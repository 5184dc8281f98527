import {
  type EntryTuple,
  type Glob,
  type Leaf,
  type MapTuple,
  patternsOf,
  type Path,
  type Seq,
} from '@holdfast/protocol';
import type { QueryStep } from '@holdfast/protocol/record';
import { type Change, type MapRow, Scope, type Tree } from '../data/index.ts';
import { type Act, modeBits } from './act.ts';
import type { Parts } from './parts.ts';

/** Objects as a server says they are. */
export type Content = {
  readonly entries: readonly EntryTuple[];
  readonly maps: readonly MapTuple[];
};

/** What it did to an object, and to the revisions of maps. */
type Deed = { readonly act: Act; readonly rows: readonly MapRow[] };

/**
 * The objects that a replica has because a query shows them (records.md §14.4).
 *
 * 1. An object is counted once for each query that has it.
 * 2. One that is counted no more leaves the replica, as far as no pattern covers it.
 */
export class Rows {
  readonly #parts: Parts;
  readonly #counts = new Map<Path, number>();
  #patterns: { readonly of: readonly Glob[]; readonly scope: Scope } | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Whether the path is in an object that a query shows. */
  has(path: Path): boolean {
    return this.#counts.size > 0 && this.#rowOf(path) !== null;
  }

  /** Whether all of an object is here. */
  holds(object: Path): boolean {
    return this.#counts.has(object) || this.#covered().coversSubtree(object);
  }

  /**
   * What tells a server which state of an object is here; null: nothing does. Of one that patterns cover in part, a catch-up
   * brings that part alone, and with it a revision that the rest has not.
   */
  revisionOf(object: Path): Seq | null {
    const covered = this.#covered();
    if (covered.reaches(object) && !covered.coversSubtree(object)) return null;
    return this.#parts.fold.committed.read(object)?.revision ?? null;
  }

  count(rows: readonly Path[]): void {
    for (const row of rows) this.#counts.set(row, (this.#counts.get(row) ?? 0) + 1);
  }

  /** Counts them no more; those are left out of the replica that nobody else has. */
  discount(rows: readonly Path[], seq: Seq): void {
    const deeds: Deed[] = [];
    for (const row of rows) {
      const count = (this.#counts.get(row) ?? 0) - 1;
      if (count > 0) this.#counts.set(row, count);
      else {
        this.#counts.delete(row);
        deeds.push(this.#change(row, { op: 'delete', seq }, new Map()));
      }
    }
    this.#tell(deeds);
  }

  /** Puts objects in the place of what the replica has of them. */
  put({ entries, maps }: Content, seq: Seq): void {
    const objects = new Map<Path, Map<Path, Leaf>>();
    for (const [path, value, type, revision] of entries) {
      const row = this.#rowOf(path);
      if (row === null) continue;
      const leaves = objects.get(row) ?? new Map<Path, Leaf>();
      objects.set(row, leaves.set(path, { value, type, revision }));
    }
    const { committed } = this.#parts.fold;
    const deeds = [...objects].map(([row, leaves]) =>
      this.#change(row, { op: 'set', seq }, leaves),
    );
    committed.load([], maps);
    const [last] = deeds.slice(-1);
    if (last !== undefined) deeds.splice(-1, 1, { ...last, rows: [...last.rows, ...maps] });
    this.#tell(deeds);
  }

  /** What of the objects, but for some, is in one state is taken over into another, as far as some patterns do not cover it. */
  carry(
    { from, to }: { readonly from: Tree; readonly to: Tree },
    globs: readonly Glob[],
    except: ReadonlySet<Path>,
  ): void {
    const patterns = scopeOf(globs);
    for (const row of this.#counts.keys()) {
      if (except.has(row)) continue;
      for (const entry of from.entries({ under: row })) {
        const { path } = entry;
        const isFree = to.read(path) === undefined && to.leafAbove(path) === undefined;
        if (isFree && !patterns.covers(path)) to.put(path, entry);
      }
    }
    const maps = from.maps().filter(([path]) => {
      const row = to.hasBelow(path) ? this.#rowOf(path) : null;
      return row !== null && !except.has(row);
    });
    to.load([], maps);
  }

  #change(
    row: Path,
    { op, seq }: { readonly op: 'set' | 'delete'; readonly seq: Seq },
    leaves: ReadonlyMap<Path, Leaf>,
  ): Deed {
    const { fold, subscriptions } = this.#parts;
    const tree = fold.committed;
    const changes: Change[] = [];
    const rows: MapRow[] = [];
    const witness = {
      leaf: (change: Change) => void changes.push(change),
      map: (each: MapRow) => void rows.push(each),
    };
    const previous = subscriptions.valueAt(tree, row);
    const patterns = this.#covered();
    for (const { path } of Array.from(tree.entries({ under: row }))) {
      const stays = leaves.has(path) || (op === 'delete' && patterns.covers(path));
      if (!stays) tree.remove(path, 0, witness);
    }
    for (const [path, leaf] of leaves) tree.put(path, leaf, witness);
    const audience = fold.view === tree ? modeBits.all | modeBits.committed : modeBits.committed;
    return { act: { path: row, op, seq, own: false, audience, previous, changes }, rows };
  }

  #tell(deeds: readonly Deed[]): void {
    const { fold, ledger } = this.#parts;
    const told = deeds.filter(({ act, rows }) => act.changes.length + rows.length > 0);
    for (const { act, rows } of told) {
      for (const change of act.changes) ledger?.leaf(change);
      for (const row of rows) ledger?.map(row);
    }
    if (told.length > 0) fold.amended(told.map(({ act }) => act));
  }

  #rowOf(path: Path): Path | null {
    for (let at: string = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- part of a path
      if (this.#counts.has(at as Path)) return at as Path;
    }
    return null;
  }

  /** What the patterns cover. */
  #covered(): Scope {
    const { held } = this.#parts.extent;
    if (this.#patterns?.of !== held) this.#patterns = { of: held, scope: scopeOf(held) };
    return this.#patterns.scope;
  }
}

function scopeOf(globs: readonly Glob[]): Scope {
  return new Scope(patternsOf(globs));
}

/** Whether steps can be done on a window, one after the other. */
export function fits(rows: readonly Path[], steps: readonly QueryStep[]): boolean {
  const here = new Set(rows);
  return steps.every(([op, path, after = null]) => {
    const isSound = here.has(path) !== (op === 'ins') && (after === null || here.has(after));
    if (op === 'ins') here.add(path);
    if (op === 'del') here.delete(path);
    return isSound;
  });
}
