import type { Json, Path, RecordDef } from '@holdfast/protocol';
import { noStats, type Reading, readStored } from './reading.ts';
import type { CollectionRow } from './types.ts';

/** An object of a collection as it is shown, and the version that it is to be read by. */
export type Shown = {
  readonly path: Path;
  readonly json: Json;
  readonly version: string;
  readonly pending: number;
};

type Known = {
  readonly json: Json;
  readonly version: string;
  readonly reading: Reading;
  readonly row: CollectionRow<unknown> | null;
  /** As it was when no own write bore on it. */
  readonly settled: CollectionRow<unknown> | null;
};

/** Makes the rows of a collection: each the same object while nothing of it changes (records.md §14.5). */
export class Rows {
  readonly #def: RecordDef;
  readonly #store: string;
  readonly #report: (error: unknown) => void;
  readonly #known = new Map<Path, Known>();
  /** The rows of objects that have not changed since they were made; null: there is none. */
  readonly #current = new Map<Path, CollectionRow<unknown> | null>();

  constructor(def: RecordDef, store: string, report: (error: unknown) => void) {
    this.#def = def;
    this.#store = store;
    this.#report = report;
  }

  /**
   * The rows at some paths, without those that do not pass the gates: of objects that may have changed, null for all, and of
   * those that were not there, `read` says what there is.
   */
  at(
    paths: readonly Path[],
    changed: ReadonlySet<Path> | null,
    read: (path: Path) => Shown | null,
  ): CollectionRow<unknown>[] {
    if (changed === null) this.#current.clear();
    else for (const path of changed) this.#current.delete(path);
    const rows = paths.map((path) => {
      const known = this.#current.get(path);
      if (known !== undefined) return known;
      const shown = read(path);
      const row = shown && this.#rowOf(shown);
      this.#current.set(path, row);
      return row;
    });
    this.#prune(paths);
    return rows.filter((row) => row !== null);
  }

  #rowOf({ path, json, version, pending }: Shown): CollectionRow<unknown> | null {
    const before = this.#known.get(path);
    const isSame = before !== undefined && before.json === json && before.version === version;
    const reading = isSame ? before.reading : this.#read({ json, version }, before?.reading);
    const row = this.#row({ path, pending, reading }, before);
    const settled = pending === 0 ? row : (before?.settled ?? null);
    this.#known.set(path, { json, version, reading, row, settled });
    return row;
  }

  /** Forgets what is not at these paths, when there is much of it. */
  #prune(paths: readonly Path[]): void {
    const all = [this.#known, this.#current];
    if (all.every(({ size }) => size <= 2 * paths.length + 100)) return;
    const stays = new Set(paths);
    for (const each of all) {
      for (const path of each.keys()) if (!stays.has(path)) each.delete(path);
    }
  }

  #read(at: { readonly json: Json; readonly version: string }, known?: Reading): Reading {
    const before = known !== undefined && 'value' in known ? known.value : undefined;
    const reading = readStored(this.#def, at, { before, stats: noStats() });
    if ('fault' in reading) this.#report(reading.error);
    return reading;
  }

  #row(
    of: { readonly path: Path; readonly pending: number; readonly reading: Reading },
    before: Known | undefined,
  ): CollectionRow<unknown> | null {
    const { path, pending, reading } = of;
    const known = before?.row ?? null;
    if ('fault' in reading) return reading.fault === 'skew' ? lastOf(before, pending) : null;
    if (known?.value === reading.value && known?.pending === pending) return known;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is read has passed the schema
    const value = reading.value as never;
    return Object.freeze({ key: `rec/${this.#store}/${path}`, value, pending });
  }
}

/** The last row that could be read stays, as it does of a record: with own writes only while they wait. */
function lastOf(before: Known | undefined, pending: number): CollectionRow<unknown> | null {
  const last = (pending === 0 ? before?.settled : before?.row) ?? null;
  return last === null || last.pending === pending ? last : Object.freeze({ ...last, pending });
}
