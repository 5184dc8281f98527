import { memoryBus } from '@holdfast/server/bus';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';

import { put } from '../conversation/talk.ts';
import { world } from '../conversation/world.ts';
import { LossyPort } from '../presence/lossy-bus.ts';

const large = Object.fromEntries(['a', 'b', 'c', 'd'].map((key) => [key, 'x'.repeat(60_000)]));

test('a node that has missed large ops of another reads a few of them at a time, and all', async () => {
  const bus = memoryBus();
  // The first server to close would close it for both.
  const storage = Object.assign(memory(), { close: () => Promise.resolve() });
  const port = new LossyPort(bus);
  const one = await world({ storage, bus: port });
  const two = await world({ storage, bus });
  const writer = await one.joined({ device: 'writer' });
  await two.joined({ device: 'reader' });
  port.loses = () => true;
  for (let at = 0; at < 30; at += 1) {
    // oxlint-disable-next-line no-await-in-loop -- seqs in this order
    await put(writer, `k/${at}`, large);
  }
  port.loses = () => false;
  const { read } = storage;
  const steps: number[] = [];
  storage.read = async (store, after, limit) => {
    const ops = await read.call(storage, store, after, limit);
    steps.push(ops.length);
    return ops;
  };
  await put(writer, 'last', 2);
  await expect.poll(() => steps.reduce((sum, count) => sum + count, 0)).toBe(31);
  // Each large op is a quarter of a MB.
  expect(Math.max(...steps)).toBeLessThan(10);
});
