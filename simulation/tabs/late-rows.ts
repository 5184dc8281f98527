import {
  judge,
  type Row,
  type RowBatch,
  type RowKind,
  type RowStore,
  type TakeRows,
  type Written,
} from '@holdfast/client/cache';
import { Lane, type OriginRoom } from './lane.ts';
import type { Life } from './life.ts';

type Place = {
  pen: string;
  head: string | null;
  readonly rows: { readonly [Kind in RowKind]: Map<string, string> };
};

const stateKinds = ['entry', 'map'] as const;

/** What the database of an origin holds. */
export class Drawer {
  readonly notes = new Map<string, string>();
  readonly places = new Map<string, Place>();

  place(name: string): Place {
    const place = this.places.get(name) ?? {
      pen: '',
      head: null,
      rows: { entry: new Map(), map: new Map(), request: new Map(), letter: new Map() },
    };
    this.places.set(name, place);
    return place;
  }
}

/** The database as one tab reaches it: a transaction after the other, each late, and none any more once the tab is gone. */
export class LateRows implements RowStore {
  readonly #drawer: Drawer;
  readonly #life: Life;
  readonly #lane: Lane;

  constructor(
    drawer: Drawer,
    life: Life,
    by: { readonly room: OriginRoom; readonly mostMs: number },
  ) {
    this.#drawer = drawer;
    this.#life = life;
    this.#lane = new Lane(by.room, by.mostMs);
  }

  read(
    name: string,
    { pen, kinds }: Parameters<RowStore['read']>[1],
    take: TakeRows,
  ): Promise<string | null> {
    return this.#late(null, () => {
      const known = this.#drawer.places.get(name);
      if (pen !== null) this.#drawer.place(name).pen = pen;
      for (const kind of kinds) take(kind, [...(known?.rows[kind] ?? [])] satisfies Row[]);
      return known?.head ?? null;
    });
  }

  write(batch: RowBatch): Promise<Written> {
    return this.#late<Written>('fenced', () => {
      const isNew = !this.#drawer.places.has(batch.place);
      const place = this.#drawer.place(batch.place);
      const reign = Number(this.#drawer.notes.get('reign') ?? 0);
      const { written, own, committed } = judge(batch, { isNew, pen: place.pen, reign });
      const rows = [...own, ...(committed?.rows ?? [])];
      if (committed?.clears === true) for (const kind of stateKinds) place.rows[kind].clear();
      place.head = committed?.head ?? place.head;
      for (const [kind, id, text] of rows) {
        if (text === null) place.rows[kind].delete(id);
        else place.rows[kind].set(id, text);
      }
      return written;
    });
  }

  note(name: string, next: (text: string | null) => string): Promise<string> {
    return this.#late('', () => {
      const text = next(this.#drawer.notes.get(name) ?? null);
      this.#drawer.notes.set(name, text);
      return text;
    });
  }

  waiting(): Promise<readonly string[]> {
    return this.#late<readonly string[]>([], () =>
      [...this.#drawer.places].flatMap(([name, { rows }]) => (rows.request.size > 0 ? name : [])),
    );
  }

  clear(place: string): Promise<void> {
    return this.#late(undefined, () => void this.#drawer.places.delete(place));
  }

  renew(): Promise<null> {
    return this.#late(null, () => {
      this.#drawer.places.clear();
      return null;
    });
  }

  close(): Promise<void> {
    return this.#late(undefined, () => undefined);
  }

  /** `lost`: what a tab that is gone is told, so that nothing of it waits for good. */
  #late<T>(lost: T, deed: () => T): Promise<T> {
    const life = this.#life;
    if (!life.isAlive) return Promise.resolve(lost);
    return new Promise((resolve) => {
      life.onEnd(() => resolve(lost));
      this.#lane.put(() => {
        if (!life.isAlive) return;
        const done = deed();
        life.run(() => resolve(done));
      });
    });
  }
}
