import { EventEmitter, once } from 'node:events';
import { connect } from 'node:net';
import type { Blobs } from '@holdfast/server/blobs';
import { memoryBlobs } from '@holdfast/server/blobs/memory';
import { expect, onTestFinished, test } from 'vitest';
import { streamOf } from '../../src/http/stream-of.ts';
import { VirtualClock } from '../conversation/clock.ts';
import { put } from '../conversation/talk.ts';
import { site } from './site.ts';

const MEGABYTE = 1_000_000;

/** Blobs whose reads are counted, and whose bytes are made as they are asked for. */
function counted(): {
  readonly blobs: Blobs;
  readonly read: () => number;
  readonly ended: () => boolean;
} {
  const inner = memoryBlobs();
  let read = 0;
  let ended = false;
  async function* bytes(count: number): AsyncIterable<Uint8Array> {
    try {
      for (let at = 0; at < count; at += MEGABYTE) {
        read += MEGABYTE;
        yield Buffer.alloc(MEGABYTE);
      }
    } finally {
      ended = true;
    }
  }
  return {
    blobs: {
      stat: (hash) => inner.stat(hash),
      received: (upload) => inner.received(upload),
      append: (upload, from, pieces) => inner.append(upload, from, pieces),
      finish: (upload, hash) => inner.finish(upload, hash),
      delete: (name) => inner.delete(name),
      list: () => inner.list(),
      read: async (_hash, range) => bytes((range?.end ?? 0) - (range?.start ?? 0)),
    },
    read: () => read,
    ended: () => ended,
  };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

test('S99 who downloads and does not read makes the server read no further, and when it goes, nothing stays open (P65)', async () => {
  const { blobs, read, ended } = counted();
  const { call, url } = await site({ files: blobs });
  await call('big', { method: 'PUT', body: 'x'.repeat(50 * MEGABYTE) });
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  socket.pause();
  socket.write(
    'GET /api/stores/demo/main/files/big HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer dev\r\n\r\n',
  );
  await until(() => read() > 0);
  // As far as buffers reach, and then not at all, however long it takes.
  for (let before = -1; before !== read();) {
    before = read();
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(read()).toBeLessThan(20 * MEGABYTE);
  expect(ended()).toBe(false);
  socket.destroy();
  await until(ended);
  expect(read()).toBeLessThan(20 * MEGABYTE);
}, 60_000);

test('who downloads and takes nothing for two minutes is cut off, and what was opened for it is closed (P65)', async () => {
  const { blobs, read, ended } = counted();
  const clock = new VirtualClock();
  const { call, url } = await site({ files: blobs, clock });
  await call('big', { method: 'PUT', body: 'x'.repeat(50 * MEGABYTE) });
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  socket.pause();
  socket.write(
    'GET /api/stores/demo/main/files/big HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer dev\r\n\r\n',
  );
  for (let before = -1; before !== read() || read() === 0;) {
    before = read();
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  await clock.pass(119_000);
  expect(ended()).toBe(false);
  await clock.pass(2000);
  await until(ended);
  const closed = once(socket, 'close');
  socket.resume();
  await closed;
}, 60_000);

test('who leaves while a piece is made for it leaves no timer running (P35)', async () => {
  const clock = new VirtualClock();
  const made = new EventEmitter();
  let isAsked = false;
  const pieces = async function* (): AsyncIterable<Uint8Array> {
    isAsked = true;
    await once(made, 'piece');
    yield Buffer.from('late');
  };
  const reader = streamOf(pieces(), { clock }).getReader();
  const read = reader.read();
  await until(() => isAsked);
  const left = reader.cancel();
  made.emit('piece');
  await Promise.all([read, left]);
  expect(clock.timers).toBe(0);
});

test('who exports and takes nothing for two minutes holds the state no longer', async () => {
  const clock = new VirtualClock();
  const { call, joined } = await site({ clock });
  const peer = await joined();
  await put(peer, 'a', 1);
  const response = await call('/api/stores/demo/main/export');
  const reader = streamOf([Buffer.from('one'), Buffer.from('two')], { clock }).getReader();
  expect(await reader.read()).toMatchObject({ done: false });
  await clock.pass(120_000);
  await expect(reader.read()).rejects.toThrow('takes nothing');
  expect((await response.text()).split('\n').length).toBe(3);
});
