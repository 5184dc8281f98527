import {
  judge,
  type Row,
  type RowBatch,
  type RowKind,
  type RowStore,
  type TakeRows,
  type Written,
} from '@holdfast/client/cache';

type Place = {
  pen: string;
  head: string | null;
  readonly rows: { readonly [Kind in RowKind]: Map<string, string> };
};

/** What a storage in memory holds; it outlives the caches over it, as a disk does. */
export class Disk {
  readonly notes = new Map<string, string>();
  readonly places = new Map<string, Place>();
}

/** Comes before each change of the storage; what throws is a failure of it, what never resolves a crash. */
export type BeforeWrite = () => Promise<void>;

/** The smallest driver there is: rows in maps. */
export class MapRows implements RowStore {
  readonly #disk: Disk;
  readonly #beforeWrite: BeforeWrite;

  constructor(disk: Disk, beforeWrite: BeforeWrite = async () => undefined) {
    this.#disk = disk;
    this.#beforeWrite = beforeWrite;
  }

  async read(
    place: string,
    { pen, kinds }: Parameters<RowStore['read']>[1],
    take: TakeRows,
  ): Promise<string | null> {
    const known = this.#disk.places.get(place);
    if (pen !== null) this.#place(place).pen = pen;
    for (const kind of kinds) take(kind, [...(known?.rows[kind] ?? [])] satisfies Row[]);
    return known?.head ?? null;
  }

  async write(batch: RowBatch): Promise<Written> {
    await this.#beforeWrite();
    const known = this.#disk.places.get(batch.place);
    const reign = Number(this.#disk.notes.get('reign') ?? 0);
    const standing = { isNew: known === undefined, pen: known?.pen ?? '', reign };
    const { written, own, committed } = judge(batch, standing);
    const place = this.#place(batch.place);
    const rows = [...own, ...(committed?.rows ?? [])];
    if (committed?.clears === true) {
      place.rows.entry.clear();
      place.rows.map.clear();
    }
    place.head = committed?.head ?? place.head;
    for (const [kind, id, text] of rows) {
      if (text === null) place.rows[kind].delete(id);
      else place.rows[kind].set(id, text);
    }
    return written;
  }

  async note(name: string, next: (text: string | null) => string): Promise<string> {
    const text = next(this.#disk.notes.get(name) ?? null);
    this.#disk.notes.set(name, text);
    return text;
  }

  async waiting(): Promise<readonly string[]> {
    return [...this.#disk.places].flatMap(([name, { rows }]) =>
      rows.request.size > 0 ? name : [],
    );
  }

  async clear(place: string): Promise<void> {
    this.#disk.places.delete(place);
  }

  async renew(): Promise<null> {
    this.#disk.places.clear();
    return null;
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  #place(name: string): Place {
    const place = this.#disk.places.get(name) ?? {
      pen: '',
      head: null,
      rows: { entry: new Map(), map: new Map(), request: new Map(), letter: new Map() },
    };
    this.#disk.places.set(name, place);
    return place;
  }
}
