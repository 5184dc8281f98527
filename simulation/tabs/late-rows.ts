import type { RowBatch, RowStore, TakeRows, Written } from '@holdfast/client/cache';
import { type Disk, MapRows } from '../../packages/client/test/cache/map-rows.ts';
import { Lane, type OriginRoom } from './lane.ts';
import type { Life } from './life.ts';

/** A database as one tab reaches it: a transaction after the other, each late, and none any more once the tab is gone. */
export class LateRows implements RowStore {
  readonly #rows: MapRows;
  readonly #life: Life;
  readonly #lane: Lane;

  constructor(disk: Disk, life: Life, by: { readonly room: OriginRoom; readonly mostMs: number }) {
    this.#rows = new MapRows(disk);
    this.#life = life;
    this.#lane = new Lane(by.room, by.mostMs);
  }

  read(name: string, how: Parameters<RowStore['read']>[1], take: TakeRows): Promise<string | null> {
    return this.#late(null, () => this.#rows.read(name, how, take));
  }

  write(batch: RowBatch): Promise<Written> {
    return this.#late<Written>('fenced', () => this.#rows.write(batch));
  }

  note(name: string, next: (text: string | null) => string): Promise<string> {
    return this.#late('', () => this.#rows.note(name, next));
  }

  waiting(): Promise<readonly string[]> {
    return this.#late<readonly string[]>([], () => this.#rows.waiting());
  }

  clear(place: string): Promise<void> {
    return this.#late(undefined, () => this.#rows.clear(place));
  }

  renew(): Promise<null> {
    return this.#late(null, () => this.#rows.renew());
  }

  close(): Promise<void> {
    return this.#late(undefined, () => this.#rows.close());
  }

  /** `lost`: what a tab that is gone is told, so that nothing of it waits for good. */
  #late<T>(lost: T, deed: () => Promise<T>): Promise<T> {
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
