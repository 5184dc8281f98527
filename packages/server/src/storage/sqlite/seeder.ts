import type { LoadChunk, StoreRow } from '../port.ts';
import { contentOf } from '../batch.ts';
import type { Desk } from './desk.ts';
import { prepareAll } from './statements.ts';

/**
 * Fills new stores, in a transaction for each chunk, so that no writer waits for the whole. Until the last the rows lie
 * under a key that no store has, and that counts as purged: what a crash leaves behind is swept away at the next start.
 */
export class Seeder {
  readonly #desk: Desk;
  readonly #abandoned: (key: number) => void;
  readonly #sql;

  /** `abandoned` hears of keys whose rows are to be swept away. */
  constructor(desk: Desk, abandoned: (key: number) => void) {
    this.#desk = desk;
    this.#abandoned = abandoned;
    this.#sql = prepareAll(desk.db, {
      key: 'SELECT key FROM stores WHERE id = ?',
      drop: 'DELETE FROM stores WHERE key = ?',
      hide: 'INSERT INTO purged (key) VALUES (?)',
      show: 'DELETE FROM purged WHERE key = ?',
      entry: 'INSERT INTO entries (store, path, value, type, revision) VALUES (?, ?, ?, ?, ?)',
      map: 'INSERT INTO maps (store, path, revision) VALUES (?, ?, ?)',
      named: 'DELETE FROM free_blobs WHERE hash = ?',
      place: 'UPDATE stores SET key = ?, head = ?, oldest_seq = ? WHERE key = ?',
    });
  }

  /** `create` adds the store's row, empty, inside a transaction. */
  async seed(
    chunks: AsyncIterable<LoadChunk>,
    create: () => StoreRow | null,
  ): Promise<StoreRow | null> {
    const key = await this.#desk.commits.enqueue(1, () => this.#reserve(create));
    if (key === null) return null;
    let seeded: StoreRow | null = null;
    try {
      const head = await this.#fill(key, chunks);
      seeded = await this.#desk.commits.enqueue(1, () => this.#show(create, { key, head }));
      return seeded;
    } finally {
      if (seeded === null) this.#abandoned(key);
    }
  }

  /** A key that no store will have: they are never used twice. Null if the store could not be made even now. */
  #reserve(create: () => StoreRow | null): number | null {
    const row = create();
    if (row === null) return null;
    const key = this.#keyOf(row);
    this.#sql.drop.run(key);
    this.#sql.hide.run(key);
    return key;
  }

  async #fill(key: number, chunks: AsyncIterable<LoadChunk>): Promise<number> {
    let head = 0;
    for await (const chunk of chunks) {
      head = chunk.seq;
      const weight = chunk.entries.length + chunk.maps.length;
      await this.#desk.commits.enqueue(weight, () => this.#write(key, chunk));
    }
    return head;
  }

  #write(key: number, { entries, maps }: LoadChunk): void {
    for (const { path, value, type, revision } of entries) {
      this.#sql.entry.run(key, path, JSON.stringify(value), type, revision);
      const content = type === 'file' ? contentOf(value) : null;
      if (content !== null) this.#sql.named.run(content.hash);
    }
    for (const [path, revision] of maps) this.#sql.map.run(key, path, revision);
  }

  #show(
    create: () => StoreRow | null,
    { key, head }: { readonly key: number; readonly head: number },
  ): StoreRow | null {
    const row = create();
    if (row === null) return null;
    this.#sql.place.run(key, head, head + 1, this.#keyOf(row));
    this.#sql.show.run(key);
    return row;
  }

  #keyOf({ id }: StoreRow): number {
    const row = this.#sql.key.get(id);
    return row === undefined ? 0 : this.#desk.rows.integer(row, 'key');
  }
}
