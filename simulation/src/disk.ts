import {
  type AppendResult,
  type Batch,
  type LoadChunk,
  type Storage,
  StorageError,
} from '@holdfast/server/storage';
import { over, overTable } from './over.ts';
import type { Room } from './room.ts';

/** How likely a disk does each wrong where it can, from 0 to 1. */
export type DiskFaults = {
  /** An append is not stored, and says so; a read fails. */
  readonly failed: number;
  /** An append ends with nobody knowing whether it is stored. */
  readonly unknown: number;
};

type DiskTerms = {
  readonly faults: () => DiskFaults;
  /** Somebody has begun to read a part of the log. */
  readonly reads: () => Promise<void>;
  readonly wall: () => number;
  /** The server knows what it has stored. */
  readonly told: () => void;
  /** How long it takes at most to note something beside a log; 0: it is noted at once. */
  readonly tablesMs: number;
};

/**
 * A storage as one server process sees it: late, and at times not at all. It ends with the process: what was being stored
 * then is stored, or not.
 */
export class Disk {
  readonly storage: Storage;
  readonly #disk: Storage;
  readonly #room: Room;
  readonly #faults: () => DiskFaults;
  readonly #told: () => void;
  readonly #appending = new Set<() => void>();
  #isOver = false;

  constructor(disk: Storage, room: Room, by: DiskTerms) {
    this.#disk = disk;
    this.#room = room;
    this.#faults = by.faults;
    this.#told = by.told;
    this.storage = over(disk, {
      open: (store) => this.#read(() => disk.open(store)),
      append: (store, expected, batch) => this.#append(store, expected, batch),
      read: (store, after, limit) =>
        this.#read(async () => {
          await by.reads();
          return disk.read(store, after, limit);
        }),
      answers: (store, asked) => this.#read(() => disk.answers(store, asked)),
      markers: (store, after, limit) => this.#read(() => disk.markers(store, after, limit)),
      webhooks: this.#ending(disk.webhooks),
      ...(by.tablesMs > 0 && this.#lateTables(by.tablesMs)),
      now: by.wall,
      close: async () => undefined,
    });
  }

  /** Whether something is being stored. */
  get isAtWork(): boolean {
    return this.#appending.size > 0;
  }

  /** The process ends. */
  end(): void {
    this.#isOver = true;
    for (const finish of this.#appending) if (this.#room.dice.chance(0.5)) finish();
    this.#appending.clear();
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    await this.#wait(10);
    if (this.#room.dice.chance(this.#faults().failed)) throw new StorageError('io', 'simulated');
    this.#told();
    return read();
  }

  async #append(store: string, expected: number, batch: Batch): Promise<AppendResult> {
    const keep = (): Promise<AppendResult> => this.#disk.append(store, expected, batch);
    const finish = (): void => void keep();
    this.#appending.add(finish);
    await this.#wait(25);
    this.#appending.delete(finish);
    const { dice } = this.#room;
    const { failed, unknown } = this.#faults();
    if (dice.chance(failed)) return { status: 'failed', message: 'simulated' };
    if (!dice.chance(unknown)) {
      const result = await keep();
      await this.#wait(5);
      this.#told();
      return result;
    }
    if (dice.chance(0.5)) await keep();
    await this.#wait(5);
    return { status: 'unknown' };
  }

  #lateTables(ms: number): Pick<Storage, 'stores' | 'keys' | 'audit'> {
    const { stores, keys, audit } = this.#disk;
    const seed: Storage['stores']['seed'] = async (store, chunks) => {
      await this.#wait(ms);
      return stores.seed(store, this.#lateChunks(chunks, ms));
    };
    return {
      stores: overTable(this.#late(stores, ms), { seed }),
      keys: this.#late(keys, ms),
      audit: this.#late(audit, ms),
    };
  }

  /** The same table, late; what is being noted when the process ends is noted, or not. */
  #late<T extends object>(table: T, ms: number): T {
    return new Proxy(table, {
      get: (_, name) => {
        const own: unknown = Reflect.get(table, name);
        if (typeof own !== 'function') return own;
        return async (...call: unknown[]): Promise<unknown> => {
          const note = (): unknown => own.apply(table, call);
          // What a world begins with is there.
          if (this.#room.agenda.now === 0) return note();
          const finish = (): void => void note();
          this.#appending.add(finish);
          await this.#wait(ms);
          this.#appending.delete(finish);
          const noted = await note();
          await this.#wait(ms / 5);
          return noted;
        };
      },
    });
  }

  /** One part after the other, each a while later; the process may end between two. */
  async *#lateChunks(chunks: AsyncIterable<LoadChunk>, ms: number): AsyncGenerator<LoadChunk> {
    for await (const chunk of chunks) {
      await this.#room.work.released(this.#wait(ms));
      yield chunk;
    }
    await this.#room.work.released(this.#wait(ms));
  }

  /** The same table, of which nothing is asked any more when the process is gone. */
  #ending<T extends object>(table: T): T {
    return new Proxy(table, {
      get: (_, name) => {
        const own: unknown = Reflect.get(table, name);
        if (typeof own !== 'function') return own;
        return (...call: unknown[]): unknown =>
          this.#isOver ? new Promise(() => undefined) : own.apply(table, call);
      },
    });
  }

  /** Some time; for ever where the process is gone by then. */
  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#room.agenda.later(this.#room.delay(ms), () => {
        if (!this.#isOver) resolve();
      });
    });
  }
}
