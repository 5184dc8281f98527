// oxlint-disable no-await-in-loop -- time passes step by step
import type { Lease, Release } from '@holdfast/engine/registry';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VirtualClock, settle } from '../virtual-clock.ts';
import { Rig, errorOf, type Thing } from './rig.ts';

const keys = ['a', 'b', 'c', 'd', 'e', 'f'];

test('G31 any order of same-tick uses is one open, and after dispose opens equal closes', async () => {
  const use = fc.constantFrom('get', 'acquire', 'retain', 'preload', 'unheld', 'provisional');
  await fc.assert(
    fc.asyncProperty(
      fc.array(use, { minLength: 1, maxLength: 12 }),
      fc.nat(20),
      async (uses, takes) => {
        const rig = new Rig({ takes });
        for (const how of uses) useOf(rig, how);
        expect(rig.loads).toBe(1);
        await rig.clock.advance(takes);
        expect(rig.opened).toHaveLength(1);
        await rig.registry.dispose();
        expect(rig.closed.map(({ thing }) => thing)).toEqual(rig.opened);
      },
    ),
    { numRuns: 200 },
  );
});

function useOf(rig: Rig, how: string): void {
  const { registry } = rig;
  if (how === 'get') void registry.get('a');
  else if (how === 'acquire') void registry.acquire('a');
  else if (how === 'retain') registry.retain('a');
  else if (how === 'preload') void registry.preload('a');
  else void registry.get('a', { hold: how === 'provisional', provisional: how === 'provisional' });
}

/**
 * The model: what must be true of any registry whatever was done to it. It keeps its own books of opens, closes and
 * holds from the outside, and compares after each round.
 */
class Model {
  readonly clock: VirtualClock;
  readonly rig: Rig;
  /** Values between their open and the begin of their close, by generation. */
  readonly live = new Map<Thing, number>();
  readonly generations = new Set<number>();
  readonly deaths = new Map<Thing, (error?: unknown) => void>();
  readonly selfClosed = new Set<Thing>();
  readonly leases = new Set<Lease<Thing>>();
  readonly holds: {
    readonly key: string;
    readonly release: Release;
    readonly ended: () => boolean;
  }[] = [];
  readonly broken: string[] = [];

  constructor(seed: number) {
    this.clock = new VirtualClock({ seed });
    this.rig = new Rig(
      {
        ttl: 20,
        errorTtl: 30,
        provisionalMs: 15,
        loadTimeout: 40,
        closeTimeout: 25,
        maxEntries: 4,
        retry: { attempts: 2, baseMs: 5, capMs: 10, isTransient: (error) => error === 'transient' },
        abortUnused: seed % 2 === 0 ? 'ttl' : 'immediate',
        busy: () => this.chance(10),
        load: async (key, _, { generation, attempt }) => {
          const again = attempt === 1 && this.generations.has(generation);
          this.note(!again, `two loads of generation ${generation}`);
          this.generations.add(generation);
          if (this.chance(60)) await this.clock.wait(this.upTo(60));
          if (this.chance(20)) throw this.chance(50) ? 'transient' : new Error('permanent');
          const thing = this.rig.open(key);
          this.live.set(thing, generation);
          return thing;
        },
        watch: (thing, closed) => {
          this.deaths.set(thing, closed);
          return () => this.deaths.delete(thing);
        },
        close: (thing) => {
          this.note(this.live.delete(thing), `closed twice: ${thing.key}`);
          if (this.chance(10)) throw new Error('close failed');
          return this.chance(50) ? this.clock.wait(this.upTo(50)) : undefined;
        },
      },
      this.clock,
    );
  }

  chance(percent: number): boolean {
    return this.clock.random() * 100 < percent;
  }

  upTo(n: number): number {
    return Math.floor(this.clock.random() * n);
  }

  note(truth: boolean, text: string): void {
    if (!truth) this.broken.push(`${text} at ${this.clock.now()}`);
  }

  key(): string {
    return keys[this.upTo(keys.length)] ?? 'a';
  }

  /** A value that was handed out just now. */
  handedOut(thing: Thing): void {
    this.note(this.live.has(thing), `a closed ${thing.key} was handed out`);
  }

  operate(): void {
    const key = this.key();
    const operations = [
      () => this.get(key),
      () => this.get(key),
      () => this.acquire(key),
      () => this.retain(key),
      () =>
        this.hold(
          key,
          this.rig.registry.subscribe(key, () => undefined),
        ),
      () => void errorOf(this.rig.registry.preload(key, { ttl: this.upTo(40) })),
      () => void this.rig.registry.evict(key, { force: this.chance(30) }),
      () => void this.rig.registry.reset(this.chance(80) ? key : undefined),
      () => this.release(),
      () => this.release(),
      () => this.release(),
      () => this.die(),
    ];
    operations[this.upTo(operations.length)]?.();
  }

  get(key: string): void {
    try {
      const found = this.rig.registry.get(key, {
        ttl: this.upTo(40),
        hold: this.chance(80),
        provisional: this.chance(30),
      });
      if (!(found instanceof Promise)) this.handedOut(found);
    } catch (error) {
      const state = this.rig.registry.peek(key);
      this.note(state.status === 'failed' && state.error === error, `get threw ${String(error)}`);
    }
  }

  retain(key: string): void {
    const controller = new AbortController();
    const release = this.rig.registry.retain(key, {
      ttl: this.upTo(40),
      signal: controller.signal,
    });
    if (this.chance(20)) controller.abort();
    this.hold(key, release, controller);
  }

  hold(key: string, release: Release, controller = new AbortController()): void {
    this.holds.push({ key, release, ended: () => controller.signal.aborted });
  }

  acquire(key: string): void {
    const controller = new AbortController();
    const lease = this.rig.registry.acquire(key, { ttl: this.upTo(40), signal: controller.signal });
    void this.take(lease);
    if (this.chance(20)) void this.clock.wait(this.upTo(20)).then(() => controller.abort());
  }

  async take(promise: Promise<Lease<Thing>>): Promise<void> {
    const error = await errorOf(promise);
    if (error !== undefined) return;
    const lease = await promise;
    // It may have died on the way here; then it says so.
    if (!lease.signal.aborted) this.handedOut(lease.value);
    this.leases.add(lease);
  }

  release(): void {
    const [hold] = this.holds.splice(this.upTo(this.holds.length), 1);
    hold?.release();
    for (const lease of this.leases) {
      if (!this.chance(50)) continue;
      lease.release();
      this.leases.delete(lease);
    }
  }

  die(): void {
    const victims = [...this.deaths];
    const [thing, closed] = victims[this.upTo(victims.length)] ?? [];
    if (thing === undefined || closed === undefined) return;
    this.live.delete(thing);
    this.selfClosed.add(thing);
    closed(this.chance(50) ? new Error('died') : undefined);
  }

  /** What must be true between any two operations. */
  check(): void {
    const { registry } = this.rig;
    const ready = new Set<Thing>();
    const present = new Set(registry.list().map(({ key }) => key));
    for (const key of keys) {
      const state = registry.peek(key);
      if (state.status !== 'ready') continue;
      ready.add(state.value);
      this.note(
        this.live.get(state.value) === state.generation,
        `${key} is ready with a dead value`,
      );
    }
    for (const { key, ended } of this.holds) {
      this.note(ended() || present.has(key), `${key} was dropped under a hold`);
    }
    for (const lease of this.leases) {
      this.note(
        lease.signal.aborted !== this.live.has(lease.value),
        `a lease of ${lease.key} does not know its end`,
      );
    }
    for (const thing of this.live.keys()) this.note(ready.has(thing), `${thing.key} leaked`);
  }
}

const seeds = Array.from({ length: 20 }, (_, index) => index + 1);

test.each(seeds)(
  'G55 random operations with faults: one open per generation, no leak, no use after close (seed %i)',
  async (seed) => {
    const model = new Model(seed);
    for (let round = 0; round < 500; round++) {
      for (let operation = 0; operation < 10; operation++) model.operate();
      await model.clock.advance(model.upTo(12));
      // What has arrived has been taken in: no value is live outside the registry now.
      await settle();
      model.check();
      expect(model.broken).toEqual([]);
    }
    const disposed = model.rig.registry.dispose();
    await model.clock.advance(1000);
    await disposed;
    const { opened, closed } = model.rig;
    expect(closed.length + model.selfClosed.size).toBe(opened.length);
    expect([model.live.size, model.clock.armed, model.rig.registry.list()]).toEqual([0, 0, []]);
    expect(model.rig.registry.stats().closes).toBe(opened.length);
    expect(opened.length).toBeGreaterThan(500);
  },
);
