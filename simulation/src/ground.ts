import { cpSync, existsSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memory, type Storage } from '@holdfast/server/storage';
import { sqlite } from '@holdfast/server/storage/sqlite';
import type { Dice } from './dice.ts';
import { over } from './over.ts';
import type { RealWork } from './real.ts';

/** What the servers of a world store on, and what outlives each of them. */
export interface Ground {
  /** The storage as it is now; a server keeps the one of its own life. */
  readonly storage: Storage;
  /** A server has died, and another is to start: what the disk has is what it finds. */
  restart(dice: Dice): void;
  /** Somebody knows of the last append: it is not to be lost any more. */
  told(): void;
  /** The world ends. */
  end(): Promise<void>;
}

/** Kinds of {@link Ground}. */
export type GroundKind = 'memory' | 'sqlite';

/** What storages know the time by: the wall clock, and where its jumps are to be noticed the one that nobody sets. */
type GroundClocks = { readonly now: () => number; readonly monotonic?: () => number };

/** How the ground of a world is. */
export type GroundTerms = {
  /** What servers store on; default: memory. */
  readonly storage?: GroundKind;
  /** Whether a jump of the wall clock makes nothing old until it has stood for a day; default: no. */
  readonly settles?: boolean;
};

/** What all servers of a world store on. */
export function groundOf(
  { storage: kind, settles = false }: GroundTerms,
  work: RealWork,
  { now, ...given }: Required<GroundClocks>,
): Ground {
  const clocks = { now, ...(settles && given) };
  if (kind === 'sqlite') return new Files(work, clocks);
  const storage = memory(clocks);
  return { storage, restart: nothing, told: nothing, end: async () => undefined };
}

function nothing(): void {
  // Memory outlives servers as it is.
}

const files = ['holdfast.db', 'holdfast.db-wal'] as const;

/**
 * SQLite files. The server that starts gets a copy of what the one before has left, as it lay there amid whatever was
 * going on; and at times the disk tore what it was just writing, of which nobody had been told.
 */
class Files implements Ground {
  readonly #work: RealWork;
  readonly #clocks: GroundClocks;
  readonly #root = mkdtempSync(join(tmpdir(), 'holdfast-world-'));
  readonly #lives: Storage[] = [];
  #storage: Storage;
  /** Where the write-ahead log ended before and after the last append, while nobody has been told of that. */
  #untold: { readonly from: number; readonly to: number } | null = null;

  constructor(work: RealWork, clocks: GroundClocks) {
    this.#work = work;
    this.#clocks = clocks;
    this.#storage = this.#open();
  }

  get storage(): Storage {
    return this.#storage;
  }

  told(): void {
    this.#untold = null;
  }

  restart(dice: Dice): void {
    const from = this.#directory;
    const tear = this.#untold;
    this.#untold = null;
    const to = join(this.#root, String(this.#lives.length));
    for (const name of files) {
      if (existsSync(join(from, name))) cpSync(join(from, name), join(to, name));
    }
    const wal = join(to, files[1]);
    // What came after it was told to somebody.
    if (tear !== null && sizeOf(wal) === tear.to && dice.chance(0.8)) {
      truncateSync(wal, tear.from + dice.below(tear.to - tear.from));
    }
    this.#storage = this.#open();
  }

  async end(): Promise<void> {
    await Promise.all(this.#lives.map((storage) => storage.close()));
    rmSync(this.#root, { recursive: true });
  }

  /** Of the present life. */
  get #directory(): string {
    return join(this.#root, String(this.#lives.length - 1));
  }

  #open(): Storage {
    const directory = join(this.#root, String(this.#lives.length));
    const storage = sqlite({ directory, durability: 'process', ...this.#clocks });
    this.#lives.push(storage);
    const wal = join(directory, files[1]);
    return over(this.#work.watched(storage), {
      append: async (...call) => {
        const from = sizeOf(wal);
        const result = await this.#work.watched(storage).append(...call);
        const to = sizeOf(wal);
        const isStored = result.status === 'stored' && to > from;
        this.#untold = isStored ? { from, to } : null;
        return result;
      },
    });
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
