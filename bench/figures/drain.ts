import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, type Receipt, type Store } from '@holdfast/client';
import { sqlite } from '@holdfast/client/cache/sqlite';
import type { Figure, Round } from '../figure.ts';
import { judged } from '../history/judged.ts';
import { leftWrites, storeTestimony, type Witness } from '../history/testimony.ts';
import type { Running } from '../servers/process.ts';

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
  measure: (quick) => {
    const count = quick ? 500 : WRITES;
    // The log holds all of both lives' writes: as many as were made, and none twice.
    const minimum = { ops: 2 * count, writesCommitted: count, bookmarks: 3 };
    return judged(minimum, (server, witnesses) => bothWays(server, count, witnesses));
  },
};

async function bothWays(server: Running, count: number, witnesses: Witness[]): Promise<Round> {
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
    const limit = await direct(open('direct.db', WebSocket), count, witnesses);
    witnesses.push(await leave(open('drain.db', NoSocket), count));
    return { ours: await drained(open('drain.db', WebSocket), count, witnesses), limit };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function direct(client: Client, count: number, witnesses: Witness[]): Promise<number> {
  const store = client.store('bench/main');
  await store.ready;
  const startedAt = performance.now();
  const receipts = write(store, count);
  await store.settled();
  const seconds = (performance.now() - startedAt) / 1000;
  const testimony = storeTestimony('connected', store, { receipts });
  witnesses.push(() => testimony);
  await client.close();
  return count / seconds;
}

/** Fills an outbox, and ends. */
async function leave(client: Client, count: number): Promise<Witness> {
  const receipts = write(client.store('bench/main'), count);
  await receipts.at(-1)?.durable;
  await client.close();
  return leftWrites(
    'left',
    receipts.map(({ opId }) => opId),
  );
}

async function drained(client: Client, count: number, witnesses: Witness[]): Promise<number> {
  const store = client.store('bench/main');
  const startedAt = performance.now();
  await store.ready;
  await store.settled();
  const seconds = (performance.now() - startedAt) / 1000;
  const { seq } = store.status.get();
  const testimony = storeTestimony('drained', store);
  witnesses.push(() => testimony);
  await client.close();
  if (seq < 2 * count) throw new Error(`only ${seq - count} of ${count} writes arrived`);
  return count / seconds;
}

/** All of them are in the cache when the last is durable. */
function write(store: Store, count: number): readonly Receipt[] {
  return Array.from({ length: count }, (_, index) => {
    const at = (index + 1) % count;
    return store.put(`notes/n${at}`, `value ${at}`);
  });
}
