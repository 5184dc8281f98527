import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Meters } from '../../src/metrics/index.ts';
import { Flusher, Outbox } from '../../src/socket/outbox.ts';

test('a socket that is gone with bytes unsent is not congested: who waits for it to drain would wait in one turn for ever', async () => {
  const socket = new Socket();
  const outbox = new Outbox(socket, new Flusher(new Meters(), () => 0), 10);
  outbox.send(Buffer.alloc(100));
  expect(outbox.congested).toBe(true);
  socket.destroy();
  expect(outbox.congested).toBe(false);
  await outbox.drained();
  const before = outbox.unsentBytes;
  outbox.send(Buffer.alloc(100));
  expect(outbox.unsentBytes).toBe(before);
});
