import { type Client, createClient } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { passthrough, record } from '@holdfast/protocol';
import { createServer, type Server } from '@holdfast/server';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { issue } from './token.ts';
import { Valve } from './valve.ts';

const Doc = record({
  name: 'doc',
  store: 'acme/app',
  path: 'docs/:id',
  version: '*',
  schema: passthrough<{ readonly n: number }>(),
});

async function start(directory: string, port = 0): Promise<{ server: Server; url: string }> {
  const server = createServer({ storage: sqlite({ directory }), rates: false });
  server.record(Doc);
  const { url } = await server.listen({ port });
  return { server, url };
}

test('R140 a write that reaches the server again after that was started anew is committed once, and answered as it was', async () => {
  const directory = mkdtempSync(`${tmpdir()}/records-`);
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const first = await start(directory);
  await first.server.stores.create('acme/app');
  const { rawToken: token } = await issue(first.server);
  const seat = (link?: Valve): Client => {
    const client = createClient({
      url: first.url,
      token,
      records: records([Doc]),
      env: { random: () => 0.01 },
      onError: () => undefined,
      ...(link && { link }),
    });
    onTestFinished(() => client.close());
    return client;
  };
  const valve = new Valve();
  const [one, two] = [seat(valve), seat()].map((client) => client.record(Doc, { id: '1' }));
  if (one === undefined || two === undefined) throw new Error('two');
  one.retain();
  two.retain();
  await one.ready();
  await one.set({ n: 1 }).committed;
  await expect.poll(() => two.get()?.n).toBe(1);
  // It is committed, and whoever wrote it does not hear of that.
  valve.holdIn();
  const written = one.increment('n');
  await expect.poll(() => two.get()?.n).toBe(2);
  const { sequence } = two.state.get();
  await first.server.close({ retryAfterMs: 0 });
  valve.cut();
  const second = await start(directory, Number(new URL(first.url).port));
  onTestFinished(() => second.server.close({ retryAfterMs: 0 }));
  expect(await written.committed).toMatchObject({ sequence, op_id: written.opId });
  await expect.poll(() => [one.get()?.n, two.get()?.n]).toEqual([2, 2]);
  expect(one.state.get().pendingIntents).toBe(0);
});
