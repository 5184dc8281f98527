import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Meters } from '../../src/metrics/index.ts';
import { Inbox } from '../../src/socket/inbox.ts';
import { Flusher } from '../../src/socket/outbox.ts';
import { Throttle } from '../../src/socket/throttle.ts';
import { TestClock } from '../../src/testing/test-clock.ts';

/** An inbox whose messages take a millisecond each. */
function inbox() {
  const timers = new TestClock();
  let ms = 0;
  const clock = {
    now: () => ms,
    wall: () => ms,
    setTimeout: timers.setTimeout.bind(timers),
    clearTimeout: timers.clearTimeout.bind(timers),
    setImmediate: timers.setImmediate.bind(timers),
  };
  const source = {
    isPaused: false,
    pause: () => (source.isPaused = true),
    resume: () => (source.isPaused = false),
  };
  const throttle = new Throttle(source, clock);
  const read: number[] = [];
  const room = { clock, flusher: new Flusher(new Meters(), () => ms) };
  const it = new Inbox(room, throttle, (data) => {
    if (Buffer.isBuffer(data)) read.push(data.readUInt8());
    ms += 1;
  });
  const send = (from: number, to: number): void => {
    for (let n = from; n < to; n += 1) it.take(Buffer.of(n), false);
  };
  return { it, send, read, source, throttle, clock: timers };
}

const upTo = (end: number): readonly number[] => Array.from({ length: end }, (_, n) => n);

test('thousands of messages that come at once are read in several turns, in their order, and nothing is taken from the network meanwhile', async () => {
  const { send, read, source } = inbox();
  send(0, 100);
  const each = [read.length];
  while (read.length < 100) {
    expect(source.isPaused).toBe(true);
    const before = read.length;
    await turn();
    each.push(read.length - before);
  }
  expect(Math.max(...each)).toBeLessThanOrEqual(11);
  expect(source.isPaused).toBe(false);
  send(100, 105);
  expect(read).toEqual(upTo(105));
});

test('what comes in turns of its own waits for nothing', async () => {
  const { send, read } = inbox();
  for (let at = 0; at < 50; at += 5) {
    send(at, at + 5);
    expect(read).toEqual(upTo(at + 5));
    await turn();
  }
});

test('what was sent before the end is read, whatever has yet to wait', () => {
  const { it, send, read } = inbox();
  send(0, 100);
  it.end();
  expect(read).toEqual(upTo(100));
});

test('a socket that is to be left unread for a while is not read again before, though all that came is read', async () => {
  const { send, read, source, throttle, clock } = inbox();
  throttle.wait(1000);
  send(0, 30);
  while (read.length < 30) await turn();
  expect(source.isPaused).toBe(true);
  await clock.advance(1000);
  expect(source.isPaused).toBe(false);
});
