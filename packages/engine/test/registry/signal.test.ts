import { type Release, type Signal, observe, releaseOnce } from '@holdfast/engine/registry';
import { expect, test } from 'vitest';
import { thrownBy } from './rig.ts';

/** The plainest signal: tells its listeners in order, and collects what they throw. */
class Cell implements Signal<number> {
  readonly listeners = new Set<{ hear: () => void }>();
  readonly thrown: unknown[] = [];
  #value = 0;

  get(): number {
    return this.#value;
  }

  set(value: number): void {
    this.#value = value;
    for (const { hear } of this.listeners) this.thrown.push(...[thrownBy(hear)].filter(Boolean));
  }

  subscribe(hear: () => void): Release {
    const listener = { hear };
    this.listeners.add(listener);
    return releaseOnce(() => this.listeners.delete(listener));
  }
}

test('observe calls back with the value now, then on each change', () => {
  const cell = new Cell();
  const seen: number[] = [];
  observe(cell, (value) => seen.push(value));
  cell.set(1);
  cell.set(1);
  cell.set(2);
  expect(seen).toEqual([0, 1, 2]);
});

test('G58 an observer that throws later is reported by the signal and goes on observing', () => {
  const cell = new Cell();
  const seen: number[] = [];
  observe(cell, (value) => {
    seen.push(value);
    if (value === 1) throw new Error('careless');
  });
  cell.set(1);
  cell.set(2);
  expect(seen).toEqual([0, 1, 2]);
  expect(cell.thrown).toMatchObject([{ message: 'careless' }]);
});

test('G59 an observer whose first call throws is never called again', () => {
  const cell = new Cell();
  let calls = 0;
  const careless = (): void => {
    calls += 1;
    throw new Error('careless');
  };
  expect(() => observe(cell, careless)).toThrow('careless');
  cell.set(1);
  expect([calls, cell.listeners.size]).toEqual([1, 0]);
});

test('G60 an observer released by another while it runs is not called again', () => {
  const cell = new Cell();
  const seen: number[] = [];
  observe(cell, () => second(), { skipInitial: true });
  const second = observe(cell, (value) => seen.push(value), { skipInitial: true });
  cell.set(1);
  expect(seen).toEqual([]);
});

test('G61 after a write inside an observer each observer sees every state once, in order', () => {
  const cell = new Cell();
  const seen: number[][] = [[], []];
  const before: number[] = [];
  observe(cell, (value) => {
    before.push(value);
    if (value === 1) [2, 3].forEach((next) => cell.set(next));
  });
  observe(cell, (value) => seen[0]?.push(value));
  cell.set(1);
  expect(before).toEqual([0, 1, 2, 3]);
  expect(cell.thrown).toEqual([]);

  const fresh = new Cell();
  observe(fresh, (value) => {
    seen[1]?.push(value);
    if (value === 0) [1, 2].forEach((next) => fresh.set(next));
  });
  expect(seen[1]).toEqual([0, 1, 2]);
});

test('G62 skipInitial skips the first call and no other', () => {
  const cell = new Cell();
  const seen: number[] = [];
  observe(cell, (value) => seen.push(value), { skipInitial: true });
  cell.set(1);
  cell.set(2);
  expect(seen).toEqual([1, 2]);
});

test('G63 releasing an observer twice is harmless to others', () => {
  const cell = new Cell();
  const seen: number[] = [];
  const watch = (value: number): void => void seen.push(value);
  const release = observe(cell, watch, { skipInitial: true });
  observe(cell, watch, { skipInitial: true });
  release();
  release();
  cell.set(1);
  expect(seen).toEqual([1]);
});

test('G65 a released observer leaves no subscription behind', () => {
  const cell = new Cell();
  using release = observe(cell, () => undefined);
  release();
  expect(cell.listeners.size).toBe(0);
});
