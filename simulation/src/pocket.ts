import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cache, memoryCache } from '@holdfast/client';
import { sqlite } from '@holdfast/client/cache/sqlite';
import type { GroundKind } from './ground.ts';
import type { RealWork } from './real.ts';

/** What the clients of a device keep their stores in, and what outlives each of them. */
export interface Pocket {
  /** The cache as it is now; a client keeps the one of its own life. */
  readonly cache: Cache;
  /** A client has died, and another is to start: what was kept is what it finds. */
  restart(): void;
  /** All of it is lost. */
  lose(): void;
  end(): Promise<void>;
}

/** What the clients of one device keep their stores in. */
export function pocketOf(kind: GroundKind, work: RealWork): Pocket {
  return kind === 'sqlite' ? new FilePocket(work) : new MemoryPocket();
}

class MemoryPocket implements Pocket {
  cache: Cache = inMemory();

  restart(): void {
    // It is still there.
  }

  lose(): void {
    this.cache = inMemory();
  }

  async end(): Promise<void> {
    // Nothing is left open.
  }
}

/** Memory, in which a life that ended before it stored that a write is decided has left no dead letter of it. */
function inMemory(): Cache {
  const cache = memoryCache();
  return {
    ...cache,
    load: (store) => {
      const kept = cache.load(store);
      const outbox = kept === null || kept instanceof Promise ? [] : kept.outbox;
      for (const { opId } of outbox) void cache.letters?.drop(store, opId);
      return kept;
    },
  };
}

/** An SQLite file; the client that starts gets a copy of it as the one before has left it. */
class FilePocket implements Pocket {
  readonly #root = mkdtempSync(join(tmpdir(), 'holdfast-device-'));
  readonly #lives: Cache[] = [];
  readonly #work: RealWork;
  cache: Cache;

  constructor(work: RealWork) {
    this.#work = work;
    this.cache = this.#open();
  }

  restart(): void {
    const [from, to] = [this.#lives.length - 1, this.#lives.length].map((n) => this.#file(n));
    for (const end of ['', '-wal']) {
      if (existsSync(`${from}${end}`)) cpSync(`${from}${end}`, `${to}${end}`);
    }
    this.cache = this.#open();
  }

  lose(): void {
    this.cache = this.#open();
  }

  async end(): Promise<void> {
    for (const cache of this.#lives) await cache.close?.();
    rmSync(this.#root, { recursive: true });
  }

  #open(): Cache {
    const cache = sqlite(this.#file(this.#lives.length));
    this.#lives.push(cache);
    return this.#work.watched(cache);
  }

  #file(life: number): string {
    return join(this.#root, `${life}.db`);
  }
}
