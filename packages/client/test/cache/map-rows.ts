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

const stateKinds = ['entry', 'map'] as const;

/** What a storage in memory holds; it outlives the caches over it, as a disk does. */
export class Disk {
  readonly notes = new Map<string, string>();
  readonly places = new Map<string, Place>();
}

/** Comes before and after each write, which is not made where `before` says so. */
export type Watchers = { before(): 'write' | 'skip'; after(): void };

const nobody: Watchers = { before: () => 'write', after: () => undefined };

/** The smallest driver there is: rows in maps. */
export class MapRows implements RowStore {
  readonly #disk: Disk;
  readonly #watchers: Watchers;

  constructor(disk: Disk, watchers: Watchers = nobody) {
    this.#disk = disk;
    this.#watchers = watchers;
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
    if (this.#watchers.before() === 'skip') return 'stored';
    const isNew = !this.#disk.places.has(batch.place);
    const place = this.#place(batch.place);
    const reign = Number(this.#disk.notes.get('reign') ?? 0);
    const { written, own, committed } = judge(batch, { isNew, pen: place.pen, reign });
    // All of them are there before any is written.
    const rows = [...own, ...(committed?.rows ?? [])];
    if (committed?.clears === true) for (const kind of stateKinds) place.rows[kind].clear();
    place.head = committed?.head ?? place.head;
    for (const [kind, id, text] of rows) {
      if (text === null) place.rows[kind].delete(id);
      else place.rows[kind].set(id, text);
    }
    this.#watchers.after();
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
