import { wrap } from 'idb';
import type { Row } from './rows.ts';

/** null: there is no such row any more. */
export type Change = readonly [id: string, text: string | null];

/** What blocks and changes weigh, and the number of the next change. */
export type Counts = { size: number; loose: number; next: number };

export const noCounts: Counts = { size: 0, loose: 0, next: 0 };

/** What takes more than 64 KiB, Chromium keeps in a file beside the database. */
export const blockChars = 30_000;
/** To read a record costs as much as so many characters of rows. */
const recordChars = 1000;
const looseCharsMin = 250_000;

/** Whether changes take so much of what is read that they should be folded. */
export function isLoose({ size, loose }: Counts, patience: number): boolean {
  return loose > Math.max(looseCharsMin, size / 8) * patience;
}

/**
 * The rows of one kind and place in an object store of IndexedDB, many to a record, because to read a record costs much
 * more than what is in it:
 *
 * - _blocks_, under `n!` and the id of their first row;
 * - _changes_ that commits have put since, under `n#` and their number.
 *
 * 1. The rows of a block are in the order of their ids, and so are the blocks: no two of them overlap.
 * 2. Later changes win over earlier ones, and all of them over the blocks.
 *
 * What is put here is not waited for: its failure is that of the transaction.
 */
export class Blocks {
  readonly store: IDBObjectStore;
  readonly n: string;
  readonly counts: Counts;
  /** What is added goes behind all that is there. */
  isOrdered = false;
  #page: Change[] = [];
  #weight = 0;
  #last = '';

  /** The counts are those of the place, and are kept up to date. */
  constructor(store: IDBObjectStore, n: string, counts: Counts = { ...noCounts }) {
    this.store = store;
    this.n = n;
    this.counts = counts;
  }

  /** Gives all rows, block by block; the storage reads on while they are taken. */
  async read(give: (rows: readonly Row[]) => void): Promise<void> {
    const [changes, keys] = await Promise.all([this.changes(), this.keys()]);
    const now = ([id, text]: Row): Change => {
      const change = changes.get(id);
      changes.delete(id);
      return [id, change === undefined ? text : change];
    };
    await Promise.all(
      keys.map(async (key) => {
        const rows = await this.rows(key);
        give(changes.size === 0 ? rows : rows.map(now).flatMap(thereIn));
      }),
    );
    give([...changes].flatMap(thereIn));
  }

  clear(): void {
    this.store.delete(this.range('!'));
    this.store.delete(this.range('#'));
    this.isOrdered = true;
  }

  /** Puts a row, with others: until they are flushed. After {@link clear} they are blocks for as long as they come in order. */
  add(row: Change, chars: number = blockChars): void {
    const [id, text] = row;
    this.isOrdered &&= text !== null && id > this.#last;
    this.#last = id;
    this.#page.push(row);
    this.#weight += weigh([row]);
    if (this.#weight >= chars) this.flush();
  }

  flush(): void {
    const [first] = this.#page;
    if (first === undefined) return;
    if (this.isOrdered) {
      this.store.put(this.#page, `${this.n}!${first[0]}`);
      this.counts.size += this.#weight;
    } else {
      this.store.put(this.#page, `${this.n}#${1e9 + this.counts.next}`);
      this.counts.next += 1;
      this.counts.loose += this.#weight + recordChars;
    }
    this.#page = [];
    this.#weight = 0;
  }

  /** What the changes say, the last of each id. */
  async changes(): Promise<Map<string, string | null>> {
    const runs: readonly unknown[] = await wrap(this.store.getAll(this.range('#')));
    return new Map(runs.flatMap(rowsIn));
  }

  /** Under what the blocks are. */
  async keys(): Promise<readonly string[]> {
    return (await wrap(this.store.getAllKeys(this.range('!')))).map(String);
  }

  /** The rows of a block. */
  async rows(key: string): Promise<readonly Row[]> {
    const record: unknown = await wrap(this.store.get(key));
    return rowsIn(record).map(([id, text]) => [id, text ?? '']);
  }

  /** Where the blocks are, or the changes. */
  range(mark: '!' | '#'): IDBKeyRange {
    return IDBKeyRange.bound(`${this.n}${mark}`, `${this.n}${mark === '!' ? '"' : '$'}`);
  }
}

/** The rows of a record; nothing is believed: of one that has none there is one that cannot be read. */
function rowsIn(record: unknown): readonly Change[] {
  return Array.isArray(record) && record.every(isChange) ? record : [['', '']];
}

function isChange(row: unknown): row is Change {
  if (!Array.isArray(row)) return false;
  const [id, text]: unknown[] = row;
  return typeof id === 'string' && (typeof text === 'string' || text === null);
}

/** A row, where there is one. */
export function thereIn([id, text]: Change): readonly Row[] {
  return text === null ? [] : [[id, text]];
}

/** What rows weigh, in characters. */
export function weigh(rows: readonly Change[]): number {
  return rows.reduce((sum, [id, text]) => sum + id.length + (text?.length ?? 0), 0);
}
