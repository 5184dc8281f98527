import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asStoreName } from '@holdfast/protocol';
import { memory, type Storage } from '@holdfast/server/storage';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';

import { answer, batchOf, mustStore, op } from '../../src/storage/conformance/subject.ts';
import { settledClock } from '../../src/storage/settled.ts';

const hour = 3_600_000;
const year = 365 * 24 * hour;
const start = Date.parse('2026-01-01T00:00:00Z');

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: start });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Moves the wall clock alone, as an operator does. */
const jump = (ms: number): unknown => vi.setSystemTime(Date.now() + ms);

test('a clock that jumps ahead is believed after a day there, and one that is put back at once', () => {
  const settled = settledClock(Date.now);
  const read = (): number => (settled() - start) / hour;
  vi.advanceTimersByTime(hour);
  expect(read()).toBe(1);
  jump(year);
  expect(read()).toBe(1);
  vi.advanceTimersByTime(23 * hour);
  expect(read()).toBe(24);
  jump(-year);
  expect(read()).toBe(24);
  jump(year);
  expect(read()).toBe(24);
  vi.advanceTimersByTime(25 * hour);
  expect(read()).toBe(49 + year / hour);
  jump(-year - hour);
  expect(read()).toBe(48);
});

test('a clock that runs a little fast all the time is believed no less, and not when it jumps', () => {
  const settled = settledClock(Date.now);
  for (let passed = 0; passed < 30; passed += 1) {
    vi.advanceTimersByTime(hour);
    jump(100);
    expect(Date.now() - settled()).toBeLessThan(60_000);
  }
  const before = settled();
  jump(year);
  vi.advanceTimersByTime(hour);
  expect(settled() - before).toBeLessThan(2 * hour);
});

test('the clock of a machine that sleeps every night is behind by two nights at most', () => {
  const settled = settledClock(Date.now);
  for (let day = 0; day < 30; day += 1) {
    for (let passed = 0; passed < 16; passed += 1) {
      vi.advanceTimersByTime(hour);
      expect(Date.now() - settled()).toBeLessThanOrEqual(16 * hour);
    }
    jump(8 * hour);
  }
});

test('a clock that is put back in part has stood for as long as it was ahead by more', () => {
  const settled = settledClock(Date.now);
  const read = (): number => (settled() - start) / hour;
  vi.advanceTimersByTime(hour);
  jump(year);
  expect(read()).toBe(1);
  vi.advanceTimersByTime(12 * hour);
  jump(2 * hour - year);
  expect(read()).toBe(13);
  vi.advanceTimersByTime(11 * hour);
  expect(read()).toBe(24);
  vi.advanceTimersByTime(hour);
  expect(read()).toBe(27);
});

const kinds = ['disk', 'memory'] as const;

/** A storage that takes the time of the system, where no other clocks are given. */
function storageIn(
  kind: (typeof kinds)[number],
  clocks: { readonly now?: () => number; readonly monotonic?: () => number } = {},
): Storage {
  if (kind === 'memory') return memory(clocks);
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-clock-'));
  const storage = sqlite({ directory, ...clocks });
  onTestFinished(async () => {
    await storage.close();
    rmSync(directory, { recursive: true });
  });
  return storage;
}

test.each(kinds)(
  '%s: what was asked for under a key an hour ago is known while the clock is a year ahead, and after it',
  async (kind) => {
    const { keys } = storageIn(kind);
    const take = () => keys.take({ name: 'k', print: 1, at: Date.now() });
    await take();
    await keys.answer('k', 'done');
    vi.advanceTimersByTime(hour);
    jump(year);
    expect(await take()).toMatchObject({ answer: 'done' });
    jump(-year);
    expect(await take()).toMatchObject({ answer: 'done' });
    vi.advanceTimersByTime(24 * hour);
    expect(await take()).toBeNull();
  },
);

test.each(kinds)(
  '%s: what was committed an hour ago is known as a repeat while the clock is a year ahead, however much was since',
  async (kind) => {
    const storage = storageIn(kind);
    await storage.stores.create({
      id: 'a',
      name: asStoreName('acme/app'),
      incarnation: 'i',
      expiresAt: null,
    });
    const commit = (seq: number, count: number): Promise<void> => {
      const answers = Array.from({ length: count }, (_, at) =>
        answer(seq, { opId: `${seq}:${at}`, at: Date.now() }),
      );
      return mustStore(storage, 'a', batchOf([op(seq)], { answers }));
    };
    const first = { deviceId: answer(1).deviceId, opId: '1:0' };
    const known = async () =>
      (await storage.answers('a', { ids: [first], clients: [] })).answers.length;
    for (let seq = 1; seq <= 11; seq += 1) {
      // oxlint-disable-next-line no-await-in-loop -- in the order of the log
      await commit(seq, 10_000);
    }
    vi.advanceTimersByTime(hour);
    jump(year);
    await commit(12, 10);
    expect(await known()).toBe(1);
    jump(-year);
    vi.advanceTimersByTime(24 * hour);
    await commit(13, 10);
    expect(await known()).toBe(0);
  },
);

test.each(kinds)(
  '%s: what was uploaded an hour ago is not collected while the clock is a year ahead',
  async (kind) => {
    const { stores, files } = storageIn(kind);
    const name = asStoreName('acme/app');
    await stores.create({ id: 'a', name, incarnation: 'i', expiresAt: null });
    const content = { hash: `sha256:${'0'.repeat(64)}`, size: 3 };
    await files.spare(content, 'a');
    vi.advanceTimersByTime(hour);
    jump(year);
    expect(await files.condemn(content.hash)).toBe('named');
    expect(await files.held('a', content.hash)).toBe(3);
    jump(-year);
    vi.advanceTimersByTime(24 * hour);
    expect(await files.condemn(content.hash)).toBe('free');
  },
);

test.each(kinds)(
  '%s: a token that is good for months is known when another was made while the clock was a year ahead, and goes a month after its end',
  async (kind) => {
    const { tokens } = storageIn(kind);
    const make = (id: string): Promise<boolean> =>
      tokens.create({
        id,
        hash: id,
        last4: 'last',
        name: id,
        org: 'acme',
        creator: null,
        scopes: [],
        storeAccess: { mode: 'all' },
        pathRules: null,
        presence: null,
        limits: null,
        insertedAt: Date.now(),
        expiresAt: Date.now() + year / 2,
        revokedAt: null,
        lastUsedAt: null,
      });
    const isKnown = async (): Promise<boolean> => (await tokens.get('first')) !== null;
    await make('first');
    vi.advanceTimersByTime(hour);
    jump(year);
    await make('amid');
    jump(-year);
    expect(await isKnown()).toBe(true);
    vi.advanceTimersByTime(year / 2 + 29 * 24 * hour);
    await make('later');
    expect(await isKnown()).toBe(true);
    vi.advanceTimersByTime(24 * hour);
    await make('last');
    expect(await isKnown()).toBe(false);
  },
);

test('disk: what administrators did yesterday is listed when the clock was years ahead meanwhile', async () => {
  const { audit } = storageIn('disk');
  const act = (target: string) =>
    audit.note({
      at: Date.now(),
      org: 'acme',
      act: 'store.created',
      actor: null,
      store: null,
      target,
      details: {},
    });
  const noted = async () => (await audit.list({ org: 'acme', limit: 10 })).map((row) => row.target);
  await act('first');
  vi.advanceTimersByTime(24 * hour);
  jump(2 * year);
  await act('amid');
  jump(-2 * year);
  await act('last');
  expect(await noted()).toEqual(['last', 'amid', 'first']);
  vi.advanceTimersByTime(401 * 24 * hour);
  await act('later');
  expect(await noted()).not.toContain('first');
});

test.each(kinds)(
  '%s: of a wall clock of its own a jump ahead ages nothing where a monotonic one is given, and all where none is',
  async (kind) => {
    let [passed, ahead] = [0, 0];
    const now = (): number => start + passed + ahead;
    const known = async (given: { readonly monotonic?: () => number }): Promise<boolean> => {
      const { keys } = storageIn(kind, { now, ...given });
      await keys.take({ name: 'k', print: 1, at: now() });
      ahead = year;
      const row = await keys.take({ name: 'k', print: 1, at: now() });
      ahead = 0;
      return row !== null;
    };
    expect(await known({ monotonic: () => passed })).toBe(true);
    passed += hour;
    expect(await known({})).toBe(false);
  },
);
