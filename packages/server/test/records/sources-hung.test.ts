import { source } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { VirtualClock } from '../conversation/clock.ts';
import { world } from '../conversation/world.ts';

const Sum = source({
  name: 'sum',
  params: z.object({ a: z.number() }),
  schema: z.object({ total: z.number() }),
  version: '1.0',
});

test('R247 given a source whose first run does not end, when all who ask for it have left, then it is stopped after a while, and runs anew for who comes next', async () => {
  const clock = new VirtualClock();
  const { server } = await world({ clock });
  const runs: AbortSignal[] = [];
  server.source(Sum, {
    policy: { once: true },
    run: ({ a }, _ctx, signal) => {
      runs.push(signal);
      return runs.length === 1 ? new Promise<never>(() => undefined) : { total: a };
    },
  });
  const { GET } = server.syncHandler({ authorize: 'public', heartbeat: 1e9 });
  const ask = (signal: AbortSignal): Promise<Response> => {
    const url = `http://x/api/records?key=${encodeURIComponent(Sum.key({ a: 7 }))}`;
    return GET(new Request(url, { signal }), { principal: { subject: 'eve' }, now: 0 });
  };
  const first = new AbortController();
  const asked = ask(first.signal);
  await expect.poll(() => runs.map(({ aborted }) => aborted)).toEqual([false]);
  first.abort();
  expect((await asked).status).toBe(499);
  await clock.pass(30_000);
  expect(runs.map(({ aborted }) => aborted)).toEqual([true]);
  const second = new AbortController();
  const reader = (await ask(second.signal)).body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  expect(new TextDecoder().decode(value)).toContain('"total":7');
  second.abort();
});

test('R247 given a source whose first run does not end, when the server closes, then who waits for it is let go', async () => {
  const { server } = await world();
  let isRunning = false;
  server.source(Sum, {
    policy: { once: true },
    run: () => {
      isRunning = true;
      return new Promise<never>(() => undefined);
    },
  });
  const { GET } = server.syncHandler({ authorize: 'public', heartbeat: 1e9 });
  const url = `http://x/api/records?key=${encodeURIComponent(Sum.key({ a: 7 }))}`;
  const asked = GET(new Request(url), { principal: { subject: 'eve' }, now: 0 });
  await expect.poll(() => isRunning).toBe(true);
  await server.close();
  expect((await asked).status).toBe(499);
});
