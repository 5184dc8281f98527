import { cacheFault, type RowBatch, type Written } from '@holdfast/client/cache';
import { type Disk, MapRows } from './map-rows.ts';

/** Rows on a disk that has room for so many characters; as in browsers, what a batch frees is there for the next alone. */
export class FullRows extends MapRows {
  removed?: () => void;
  room = Infinity;
  readonly #on: Disk;

  constructor(disk: Disk) {
    super(disk);
    this.#on = disk;
  }

  override async read(...asked: Parameters<MapRows['read']>): Promise<string | null> {
    const [, { pen }] = asked;
    if (pen !== null) this.#take(1);
    return super.read(...asked);
  }

  override async write(batch: RowBatch): Promise<Written> {
    const { own } = batch;
    const committed = batch.committed && {
      ...batch.committed,
      rows: [...batch.committed.rows],
    };
    const rows = [...own, ...(committed?.rows ?? [])];
    const lengths = rows.map(([, id, text]) => (text === null ? 0 : id.length + text.length));
    this.#take(1 + sum(lengths));
    return super.write({ ...batch, committed });
  }

  override async note(...asked: Parameters<MapRows['note']>): Promise<string> {
    this.#take(1);
    return super.note(...asked);
  }

  /** How much is kept. */
  get used(): number {
    let used = 0;
    for (const { rows } of this.#on.places.values()) {
      for (const kept of Object.values(rows)) for (const row of kept) used += row.join('').length;
    }
    return used;
  }

  /** Fails where there is no room for more; what is put in place of another of its size takes next to none. */
  #take(length: number): void {
    if (this.used + length > this.room) throw cacheFault('full');
  }
}

function sum(lengths: readonly number[]): number {
  return lengths.reduce((all, length) => all + length, 0);
}
