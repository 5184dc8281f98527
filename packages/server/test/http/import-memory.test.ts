import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { ImportMemory } from '../../src/http/import-memory.ts';

const room = { now: () => 1, storeId: 's', importId: 'i' };

test('of many uploads under one id the newest lines are known, and no more than a chunk and those beside it may need', async () => {
  const { keys } = memory();
  for (let page = 0; page < 8; page += 1) {
    const prints = Array.from({ length: 1000 }, (_, at) => page * 1000 + at);
    // oxlint-disable-next-line no-await-in-loop -- one upload after the other
    await new ImportMemory({ keys, ...room }).keep(0, prints);
  }
  const known = await new ImportMemory({ keys, ...room }).near(0);
  expect([known.size, known.has(7999), known.has(0)]).toEqual([5000, true, false]);
});

test('of a long import only the chunks are held that it is at, and those behind are read again', async () => {
  const { keys } = memory();
  const read: string[] = [];
  const counted = {
    take: (key: Parameters<typeof keys.take>[0]) => {
      read.push(key.name);
      return keys.take(key);
    },
    answer: keys.answer.bind(keys),
    free: keys.free.bind(keys),
  };
  const held = new ImportMemory({ keys: counted, ...room });
  for (let chunk = 0; chunk < 5; chunk += 1) {
    // oxlint-disable-next-line no-await-in-loop -- as an import does
    await held.near(chunk);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await held.keep(chunk, [chunk]);
  }
  expect(read.length).toBe(6);
  // As the files of an archive are, whose contents come behind all lines.
  expect([...(await held.near(0))]).toEqual([0, 1]);
  await held.keep(0, [9]);
  expect([...(await new ImportMemory({ keys, ...room }).near(0))]).toEqual([0, 9, 1]);
  expect(read.length).toBe(8);
});
