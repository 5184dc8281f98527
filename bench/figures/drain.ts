import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, type Store } from '@holdfast/client';
import { sqlite } from '@holdfast/client/cache/sqlite';
import type { Figure } from '../figure.ts';
import { start } from '../servers/process.ts';

const WRITES = 4000;

/** Finds nobody, wherever it is to lead. */
class NoSocket extends WebSocket {
  constructor() {
    super('ws://127.0.0.1:9');
  }
}

/** Writes a second of an outbox that a former life has left in its cache, against writes made while connected. */
export const drain: Figure = {
  id: 'drain',
  unit: 'writes/s',
  against: 'the same writes made while connected, with a cache too',
  goal: { ratio: 0.8, at: 'least' },
  measure: async (quick) => {
    const count = quick ? 500 : WRITES;
    const server = await start('holdfast');
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-drain-'));
    const open = (file: string, webSocket: typeof WebSocket): Client =>
      createClient({
        url: `ws://127.0.0.1:${server.port}`,
        webSocket,
        token: 'bench',
        cache: sqlite(join(folder, file)),
        onError: () => undefined,
      });
    try {
      const limit = await direct(open('direct.db', WebSocket), count);
      await leave(open('drain.db', NoSocket), count);
      return { ours: await drained(open('drain.db', WebSocket), count), limit };
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function direct(client: Client, count: number): Promise<number> {
  const store = client.store('bench/main');
  await store.ready;
  const startedAt = performance.now();
  void write(store, count);
  await store.settled();
  const seconds = (performance.now() - startedAt) / 1000;
  await client.close();
  return count / seconds;
}

/** Fills an outbox, and ends. */
async function leave(client: Client, count: number): Promise<void> {
  await write(client.store('bench/main'), count);
  await client.close();
}

async function drained(client: Client, count: number): Promise<number> {
  const store = client.store('bench/main');
  const startedAt = performance.now();
  await store.ready;
  await store.settled();
  const seconds = (performance.now() - startedAt) / 1000;
  const { seq } = store.status.get();
  await client.close();
  if (seq < 2 * count) throw new Error(`only ${seq - count} of ${count} writes arrived`);
  return count / seconds;
}

/** Resolves when all of them are in the cache. */
function write(store: Store, count: number): Promise<void> {
  for (let index = 1; index < count; index += 1) store.put(`notes/n${index}`, `value ${index}`);
  return store.put('notes/n0', 'value 0').durable;
}
