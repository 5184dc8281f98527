import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';

test('a server leaves the globals of its process as they are', async () => {
  const { Request: request, Response: response } = globalThis;
  const server = createServer({ storage: memory() });
  const { url } = await server.listen();
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect(globalThis.Request).toBe(request);
  expect(globalThis.Response).toBe(response);
  await server.close();
});

test.each<[string, object, string]>([
  ['an option that does not exist', { storge: memory() }, 'no option "storge"'],
  ['neither data nor storage', {}, 'needs `data`'],
  ['an unknown limit', { storage: memory(), limits: { write_quue: 1 } }, 'no limit "write_quue"'],
])('with %s no server is made: a TypeError says why', (_what, options, message) => {
  expect(() => createServer(options)).toThrow(TypeError);
  expect(() => createServer(options)).toThrow(message);
});

test.each([0, -1, 1.5, Number.NaN, Infinity, '7'])(
  'a limit of %s is a RangeError: it must be a positive integer',
  (limit) => {
    // @ts-expect-error -- some are no numbers at all
    const make = () => createServer({ storage: memory(), limits: { write_queue: limit } });
    expect(make).toThrow(RangeError);
    expect(make).toThrow('write_queue');
  },
);

test('a server that listens already rejects to listen again, and goes on', async () => {
  const server = createServer({ storage: memory() });
  const { url } = await server.listen();
  await expect(server.listen()).rejects.toThrow(/listen/i);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  await server.close();
});
