import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keptIn } from '@holdfast/client/cache';
import type { Client, Receipt, Store } from '@holdfast/client';
import { Disk, MapRows } from './cache/map-rows.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** A write as the application made it: where, and whether the server can only refuse it. */
type Made = { readonly n: number; readonly isDoomed: boolean; readonly receipt: Receipt };

/** What one life of a client is like: what it writes, where it is when, and at which write of its cache it ends. */
type Fate = {
  readonly writes: readonly ('count' | 'doomed')[];
  readonly isOnline: boolean;
  readonly endsAt: number;
  readonly endsAfter: boolean;
};

/** One life of a client over a disk; it ends between two writes to its cache, or is let live. */
class Life {
  readonly client: Client;
  readonly store: Store;
  readonly made: Made[] = [];
  /** The writes that the application was told are durable, as of the end. */
  readonly durable = new Set<number>();
  readonly ended: Promise<void>;
  readonly #valve = new Valve();
  #isDead = false;
  #writes = 0;
  #end: () => void = () => undefined;

  constructor(disk: Disk, fate: Omit<Fate, 'writes'>) {
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    if (!fate.isOnline) this.#valve.holdOut();
    const cache = keptIn(
      new MapRows(disk, {
        before: () => {
          this.#writes += 1;
          if (!fate.endsAfter && this.#writes === fate.endsAt) this.#die();
          return this.#isDead ? 'skip' : 'write';
        },
        after: () => {
          if (fate.endsAfter && this.#writes === fate.endsAt) this.#die();
        },
      }),
    );
    this.client = world.client({
      cache,
      deviceId: 'laptop-1',
      link: this.#valve,
      env: { random: () => 0.01 },
    });
    this.store = this.client.store('acme/app');
  }

  write(n: number, kind: 'count' | 'doomed'): void {
    const isDoomed = kind === 'doomed';
    const receipt = isDoomed
      ? this.store.put(`doomed/${n}`, n, { fence: { key: 'nobody/holds', token: 1 } })
      : this.store.increment(`counts/${n}`);
    this.made.push({ n, isDoomed, receipt });
    receipt.durable.then(
      () => this.#isDead || this.durable.add(n),
      () => undefined,
    );
  }

  #die(): void {
    this.#isDead = true;
    this.#valve.cut();
    this.#valve.holdOut();
    this.#end();
  }
}

const fates: fc.Arbitrary<readonly Fate[]> = fc.array(
  fc.record({
    writes: fc.array(fc.constantFrom('count', 'count', 'doomed'), { minLength: 1, maxLength: 6 }),
    isOnline: fc.boolean(),
    endsAt: fc.integer({ min: 1, max: 8 }),
    endsAfter: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4 },
);

describe('a client that dies at any moment', () => {
  it('S64 S80 has every write that it called durable committed once, or among its dead letters (P20, P30)', async () => {
    let n = 0;
    let dead = 0;
    await fc.assert(
      fc.asyncProperty(fates, async (lives) => {
        const disk = new Disk();
        const made: (Made & { readonly isDurable: boolean })[] = [];
        for (const fate of lives) {
          const life = new Life(disk, fate);
          for (const kind of fate.writes) life.write((n += 1), kind);
          const isOver = life.store.settled().catch(() => undefined);
          // Offline nothing is settled, and the cache may never be written to so often: the life ends by itself.
          const isQuiet = Promise.all(life.made.map(({ receipt }) => receipt.durable)).catch(
            () => undefined,
          );
          await Promise.race([life.ended, fate.isOnline ? isOver : isQuiet]);
          made.push(...life.made.map((each) => ({ ...each, isDurable: life.durable.has(each.n) })));
          await life.client.close();
        }
        const last = new Life(disk, { isOnline: true, endsAt: Infinity, endsAfter: false });
        await last.store.ready;
        await last.store.settled();
        const letters = new Set(last.store.outbox.deadLetters().map(({ opId }) => opId));
        dead += letters.size;
        for (const { n: at, isDoomed, isDurable, receipt } of made) {
          const count = last.store.get(`counts/${at}`);
          if (isDoomed) {
            if (isDurable) expect(letters).toContain(receipt.opId);
          } else if (isDurable) expect([at, count]).toEqual([at, 1]);
          else expect([undefined, 1]).toContain(count);
          letters.delete(receipt.opId);
        }
        expect([...letters]).toEqual([]);
        await last.client.close();
      }),
      { numRuns: 40 },
    );
    // Some were refused, or nothing was seen of dead letters.
    expect(dead).toBeGreaterThan(0);
  }, 60_000);
});
