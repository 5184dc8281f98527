import type { Json, Path, RecordDef } from '@holdfast/protocol';
import { noStats, type Reading, readStored } from './reading.ts';
import type { CollectionRow } from './types.ts';

/** An object of a collection as it is shown. */
export type Shown = { readonly path: Path; readonly json: Json; readonly pending: number };

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

  constructor(def: RecordDef, store: string, report: (error: unknown) => void) {
    this.#def = def;
    this.#store = store;
    this.#report = report;
  }

  /** The row of an object; null: it does not pass the gates, and is left out. */
  rowOf({ path, json, pending }: Shown, version: string): CollectionRow<unknown> | null {
    const before = this.#known.get(path);
    const isSame = before !== undefined && before.json === json && before.version === version;
    const reading = isSame ? before.reading : this.#read({ json, version }, before?.reading);
    const row = this.#row({ path, pending, reading }, before);
    const settled = pending === 0 ? row : (before?.settled ?? null);
    this.#known.set(path, { json, version, reading, row, settled });
    return row;
  }

  /** Forgets the rows that are not among these, when there are many. */
  prune(paths: ReadonlySet<Path>): void {
    if (this.#known.size <= 2 * paths.size + 100) return;
    for (const path of this.#known.keys()) if (!paths.has(path)) this.#known.delete(path);
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
