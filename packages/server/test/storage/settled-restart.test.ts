import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Storage } from '@holdfast/server/storage';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { beforeEach, expect, onTestFinished, test } from 'vitest';

import { applicationId, migrations } from '../../src/storage/sqlite/schema.ts';

const minute = 60_000;
const hour = 60 * minute;
const year = 365 * 24 * hour;
const start = Date.parse('2026-01-01T00:00:00Z');

/** The true time since the start, and by how much the wall clock is ahead of it. */
let passed = 0;
let ahead = 0;
let directory = '';
beforeEach(() => {
  [passed, ahead] = [0, 0];
  directory = mkdtempSync(join(tmpdir(), 'holdfast-clock-'));
});

const now = (): number => start + passed + ahead;

/** A process of the server that begins now: its monotonic clock does. */
function begin(at = directory): Storage {
  const since = passed;
  const storage = sqlite({
    directory: at,
    durability: 'process',
    now,
    monotonic: () => passed - since,
  });
  onTestFinished(async () => {
    await storage.close();
    rmSync(at, { recursive: true, force: true });
  });
  return storage;
}

/** How far what is believed is behind the true time, in hours. */
async function lag(storage: Storage): Promise<number> {
  const settled = (await storage.settled?.()) ?? Number.NaN;
  return (start + passed - settled) / hour;
}

/** As a server does that runs: it asks every ten minutes. */
async function run(storage: Storage, hours: number): Promise<void> {
  for (const end = passed + hours * hour; passed < end;) {
    passed += 10 * minute;
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await storage.settled?.();
  }
}

async function asked(storage: Storage): Promise<string | null | undefined> {
  const row = await storage.keys.take({ name: 'k', print: 1, at: now() });
  if (row === null) await storage.keys.answer('k', 'done');
  return row?.answer;
}

test('a server that is started while the clock is a year ahead knows what was asked for an hour ago, and so does the next', async () => {
  const first = begin();
  await asked(first);
  await first.close();
  passed += hour;
  ahead = year;
  const second = begin();
  expect(await asked(second)).toBe('done');
  await run(second, 1);
  await second.close();
  const third = begin();
  expect(await asked(third)).toBe('done');
  await third.close();
  ahead = 0;
  const last = begin();
  expect(await asked(last)).toBe('done');
  await run(last, 26);
  expect(await asked(last)).toBeUndefined();
});

test('a server that was killed at once is known to the one that is started while the clock is ahead', async () => {
  await asked(begin());
  const copy = `${directory}-copy`;
  cpSync(directory, copy, { recursive: true });
  ahead = year;
  expect(await asked(begin(copy))).toBe('done');
});

test('a clock that is ahead is believed when servers have seen it stand for a day, however often they were started', async () => {
  await begin().close();
  ahead = year;
  for (let seen = 0; seen < 24; seen += 8) {
    const storage = begin();
    // oxlint-disable-next-line no-await-in-loop -- one life after the other
    expect(await lag(storage)).toBeGreaterThanOrEqual(0);
    // oxlint-disable-next-line no-await-in-loop -- one life after the other
    await run(storage, 8);
    // oxlint-disable-next-line no-await-in-loop -- one life after the other
    await storage.close();
  }
  const storage = begin();
  await run(storage, 1);
  expect(await lag(storage)).toBe(-year / hour);
});

test('the clock of a machine that is on for some hours a day is behind by few nights, whether it is shut down or switched off', async () => {
  for (const isClosed of [true, false]) {
    let at = mkdtempSync(join(tmpdir(), 'holdfast-clock-'));
    for (let day = 0; day < 10; day += 1) {
      const storage = begin(at);
      // oxlint-disable-next-line no-await-in-loop -- one day after the other
      expect(await lag(storage)).toBeLessThanOrEqual(5 * 16);
      // oxlint-disable-next-line no-await-in-loop -- one day after the other
      await run(storage, 8);
      if (!isClosed) {
        const copy = `${at}-`;
        cpSync(at, copy, { recursive: true });
        at = copy;
        // oxlint-disable-next-line no-await-in-loop -- one day after the other
      } else await storage.close();
      passed += 16 * hour;
    }
  }
});

test('a clock that is behind when a server is started is believed, and makes nothing old when it is right again', async () => {
  await begin().close();
  passed += 48 * hour;
  ahead = -50 * year;
  const storage = begin();
  expect(await lag(storage)).toBe((50 * year) / hour);
  expect(await asked(storage)).toBeUndefined();
  passed += minute;
  ahead = 0;
  expect(await asked(storage)).toBe('done');
  await run(storage, 25);
  expect(await lag(storage)).toBe(0);
  expect(await asked(storage)).toBeUndefined();
});

test('a clock that was ahead for days and is put right is not believed again when it jumps there, though the server was killed', async () => {
  await begin().close();
  ahead = year;
  const first = begin();
  await run(first, 26);
  ahead = 0;
  await asked(first);
  const copy = `${directory}-copy`;
  cpSync(directory, copy, { recursive: true });
  ahead = year;
  expect(await asked(begin(copy))).toBe('done');
});

test('what is believed is noted once a minute at most while it is in doubt, and once an hour while it is not', async () => {
  const storage = begin();
  await storage.size();
  const look = new DatabaseSync(join(directory, 'holdfast.db'), { readOnly: true });
  onTestFinished(() => look.close());
  const version = (): unknown => look.prepare('PRAGMA data_version').get()?.['data_version'];
  const notes = async (seconds: number): Promise<number> => {
    let count = 0;
    for (let second = 0; second < seconds; second += 1) {
      passed += 1000;
      const before = version();
      // oxlint-disable-next-line no-await-in-loop -- second by second
      await storage.settled?.();
      if (version() !== before) count += 1;
    }
    return count;
  };
  expect(await notes(3 * 3600)).toBe(3);
  ahead = hour;
  expect(await notes(600)).toBeLessThanOrEqual(11);
  expect(await notes(600)).toBe(10);
});

test('a data folder from before clocks were noted opens, and believes the first one that it sees', async () => {
  const db = new DatabaseSync(join(directory, 'holdfast.db'));
  db.exec(
    `${migrations.slice(0, 9).join('')} PRAGMA application_id = ${applicationId}; PRAGMA user_version = 9`,
  );
  db.close();
  passed += year;
  const first = begin();
  expect(await lag(first)).toBe(0);
  await first.close();
  ahead = year;
  expect(await lag(begin())).toBe(0);
});
