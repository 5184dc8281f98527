import { deferred } from '@holdfast/engine/registry';
import { expect, test } from 'vitest';
import { streamOf } from '../../src/http/stream-of.ts';
import { VirtualClock } from '../conversation/clock.ts';

const bytes = new TextEncoder().encode('piece');

test('given a reader who leaves between two pieces, then whoever makes them is told so, and no timer is left', async () => {
  const clock = new VirtualClock();
  const told: string[] = [];
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield bytes;
    } finally {
      told.push('left');
    }
  }
  const reader = streamOf(pieces(), { clock, end: () => void told.push('end') }).getReader();
  expect((await reader.read()).value).toEqual(bytes);
  expect(clock.timers).toBe(1);
  await reader.cancel();
  expect([told, clock.timers]).toEqual([['left', 'end'], 0]);
});

test('given a reader who leaves while a piece is made, then the piece begins no wait for a next one', async () => {
  const clock = new VirtualClock();
  const [begun, made] = [deferred<void>(), deferred<void>()];
  let ends = 0;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    begun.resolve();
    await made.promise;
    yield bytes;
  }
  const reader = streamOf(pieces(), { clock, end: () => void (ends += 1) }).getReader();
  const reading = reader.read();
  await begun.promise;
  const leaving = reader.cancel();
  made.resolve();
  await leaving;
  expect((await reading).done).toBe(true);
  expect([ends, clock.timers]).toEqual([1, 0]);
});

test('given pieces that are empty, then none of them is sent, and the reader may leave between them', async () => {
  const clock = new VirtualClock();
  let made = 0;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array();
    yield bytes;
    for (;;) {
      made += 1;
      yield new Uint8Array();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const reader = streamOf(pieces(), { clock }).getReader();
  expect((await reader.read()).value).toEqual(bytes);
  const reading = reader.read();
  await expect.poll(() => made).toBeGreaterThan(2);
  await reader.cancel();
  expect((await reading).done).toBe(true);
  const until = made;
  await new Promise((resolve) => setImmediate(resolve));
  expect([made, clock.timers]).toEqual([until, 0]);
});
