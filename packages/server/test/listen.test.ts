import { createServer } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../src/host/clock.ts';
import { Listener } from '../src/listen.ts';

test('given a port that was refused, when another one is listened to, then a later error is told once', async () => {
  const told: string[] = [];
  const log = { info: () => undefined, error: (_: object, what: string) => told.push(what) };
  const [first, http] = [createServer(), createServer()];
  const [taken, listener] = [new Listener(first, systemClock), new Listener(http, systemClock)];
  onTestFinished(async () => {
    await Promise.all([taken.stop(), listener.stop()]);
  });
  const { port } = await taken.listen({}, log);
  await expect(listener.listen({ port }, log)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await listener.listen({}, log);
  http.emit('error', new Error('no more files may be open'));
  expect(told).toEqual(['listening failed']);
});
