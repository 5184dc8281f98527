import { type Lasting, Pool } from '@holdfast/engine/registry';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../virtual-clock.ts';

/** Notes what a pool does with it. */
class Thing implements Lasting {
  readonly key: string;
  readonly log: string[];
  isBusy = false;
  closing: () => void | Promise<void> = () => undefined;

  constructor(key: string, log: string[]) {
    this.key = key;
    this.log = log;
  }

  open(): void {
    this.log.push(`open ${this.key}`);
  }

  close(signal: AbortSignal): void | Promise<void> {
    this.log.push(`close ${this.key}`);
    signal.addEventListener('abort', () => this.log.push(`give up ${this.key}`));
    return this.closing();
  }
}

function rig(): {
  readonly clock: VirtualClock;
  readonly pool: Pool;
  readonly log: string[];
  readonly thing: (key: string) => Thing;
} {
  const [clock, log]: [VirtualClock, string[]] = [new VirtualClock(), []];
  const report = (error: unknown): unknown => log.push(String(error));
  const pool = new Pool({ env: clock, ttlMs: 50, max: 2, report });
  return { clock, pool, log, thing: (key) => new Thing(key, log) };
}

describe('a pool', () => {
  it('opens once, however many hold, and closes once, a while after the last let go', async () => {
    const { clock, pool, log, thing } = rig();
    const a = thing('a');
    const [first, second] = [pool.hold(a), pool.hold(a)];
    first();
    first();
    await clock.advance(1000);
    expect(log).toEqual(['open a']);
    second();
    await clock.advance(49);
    expect(log).toEqual(['open a']);
    await clock.advance(1);
    expect(log).toEqual(['open a', 'close a']);
    expect(pool.list()).toEqual([]);
    pool.hold(a);
    expect(log).toEqual(['open a', 'close a', 'open a']);
  });

  it('opens once what has itself held while it is opened, and keeps it for as long as it is', async () => {
    const { clock, pool, log, thing } = rig();
    const a = thing('a');
    const own: (() => void)[] = [];
    a.open = () => {
      log.push('open a');
      own.push(pool.hold(a));
    };
    pool.hold(a)();
    await clock.advance(1000);
    expect(log).toEqual(['open a']);
    own[0]?.();
    await clock.advance(50);
    expect(log).toEqual(['open a', 'close a']);
  });

  it('keeps nothing that could not be opened: who holds it next is told the same, and no timer waits for it', () => {
    const { clock, pool, thing } = rig();
    const broken = thing('a');
    broken.open = () => {
      throw new Error('closed');
    };
    for (const _ of [1, 2]) expect(() => pool.hold(broken)).toThrow('closed');
    expect([pool.list(), clock.armed]).toEqual([[], 0]);
  });

  it('closes what is too much also while others are taken up and let go of without a pause', async () => {
    const { clock, log, thing } = rig();
    // The least that timers of platforms wait.
    const leastMs = 2;
    const env = {
      now: () => clock.now(),
      setTimeout: (run: () => void, ms: number) => clock.setTimeout(run, Math.max(ms, leastMs)),
      clearTimeout: (handle: unknown) => clock.clearTimeout(handle),
    };
    const pool = new Pool({ env, ttlMs: 1000, max: 2, report: () => undefined });
    let most = 0;
    for (let at = 0; at < 100; at += 1) {
      pool.hold(thing(`${at}`))();
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await clock.advance(1);
      most = Math.max(most, pool.list().length);
    }
    expect(most).toBeLessThanOrEqual(2 + leastMs);
    expect(log).toContain('close 0');
  });

  it('keeps what is taken up again in time, and what is busy for as long as it is', async () => {
    const { clock, pool, log, thing } = rig();
    const a = thing('a');
    pool.hold(a)();
    await clock.advance(49);
    const again = pool.hold(a);
    await clock.advance(1000);
    again();
    a.isBusy = true;
    await clock.advance(500);
    expect(log).toEqual(['open a']);
    a.isBusy = false;
    await clock.advance(1000);
    expect(log).toEqual(['open a', 'close a']);
  });

  it('closes above its cap those first that were let go of first, and never what is held', async () => {
    const { clock, pool, log, thing } = rig();
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(thing);
    if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error();
    const [letB, letA] = [pool.hold(b), pool.hold(a)];
    pool.hold(c);
    pool.hold(d);
    await clock.advance(0);
    expect(log).toEqual(['open b', 'open a', 'open c', 'open d']);
    letA();
    letB();
    expect(log).toHaveLength(4);
    await clock.advance(0);
    expect(log.slice(4)).toEqual(['close a', 'close b']);
  });

  it('closes what is too much as soon as it may, though nothing else happens', async () => {
    const { clock, pool, log, thing } = rig();
    for (const key of ['a', 'b', 'c']) pool.keep(thing(key), { ttlMs: 9000, firmMs: 70 });
    await clock.advance(69);
    expect(log).toHaveLength(3);
    await clock.advance(1);
    expect(log.slice(3)).toEqual(['close a']);
    await clock.advance(8929);
    expect(log).toHaveLength(4);
    await clock.advance(1);
    expect(log.slice(4)).toEqual(['close b', 'close c']);
  });

  it('sets no timer for what is used again: only for what is new, or let go of', async () => {
    const { clock, pool, log, thing } = rig();
    const a = thing('a');
    const release = pool.hold(a);
    await clock.advance(0);
    const before = clock.everSet;
    for (let use = 0; use < 100; use++) pool.keep(a, { ttlMs: 0, firmMs: 70 });
    pool.hold(a)();
    expect(clock.everSet).toBe(before);
    release();
    await clock.advance(69);
    expect(log).toEqual(['open a']);
    await clock.advance(1);
    expect(log).toEqual(['open a', 'close a']);
  });

  it('waits for every close when it is disposed of, but not for ever', async () => {
    const { clock, pool, log, thing } = rig();
    const [a, b] = [thing('a'), thing('b')];
    a.closing = () => Promise.reject(new Error('disk'));
    b.closing = () =>
      new Promise((resolve) => {
        b.log.push('slow');
        clock.setTimeout(resolve, 20_000);
      });
    for (const each of [a, b]) pool.hold(each);
    const end = { hasCome: false };
    void pool.dispose().then(() => (end.hasCome = true));
    await clock.advance(9999);
    expect(log.slice(2)).toEqual(['close a', 'close b', 'slow', 'Error: disk']);
    await clock.advance(1);
    expect(log.at(-1)).toBe('give up b');
    expect(end.hasCome).toBe(false);
    await clock.advance(10_000);
    expect(end.hasCome).toBe(true);
  });
});
