import { type Client, createClient } from '@holdfast/client';
import type { Figure, Round } from '../figure.ts';
import { judged, type Measure } from '../history/judged.ts';
import { storeTestimony, type Witness } from '../history/testimony.ts';
import { readerTestimony } from '../history/wire.ts';
import { rawJoin } from '../load/raw-join.ts';
import { seed } from '../load/seed.ts';

const LEAVES = 100_000;
const BLOCK_MS = 50;
const OPEN_MS = 1000;

/** From asking for a store of 100,000 leaves until the client is ready, against parsing the same bytes. */
export const join: Figure = {
  id: 'join',
  unit: 'ms',
  against: 'JSON.parse of the same bytes',
  goal: { ratio: 4, at: 'most' },
  measure: (quick) =>
    withServer(quick, async (server, witnesses) => {
      // The store is open and the code is warm on both sides, as where they have run for a while: it is after ten joins.
      for (let warm = 0; warm < (quick ? 1 : 10); warm += 1) {
        const { client } = await clientJoin(server.port);
        await client.close();
      }
      const { frames } = await rawJoin(server.port, { last_store_seq: 0 });
      const joined = await clientJoin(server.port);
      const startedAt = performance.now();
      for (const text of frames) JSON.parse(text);
      const limit = performance.now() - startedAt;
      await joined.leave(witnesses);
      witnesses.push(() => readerTestimony('bare', frames, { patterns: ['**'], from: 0 }));
      return { ours: joined.ms, limit };
    }),
};

/** The longest time for which that join keeps the server's event loop from anything else. */
export const joinBlock: Figure = {
  id: 'join-block',
  unit: 'ms',
  against: `${BLOCK_MS} ms`,
  goal: { ratio: 1, at: 'most' },
  measure: (quick) =>
    withServer(quick, async (server, witnesses) => {
      await (await clientJoin(server.port)).client.close();
      await server.ask('reset');
      const joined = await clientJoin(server.port);
      const ours = await server.ask('block');
      await joined.leave(witnesses);
      return { ours, limit: BLOCK_MS };
    }),
};

/** The first join of a store of 100,000 leaves after a start, without the transfer of its leaves. */
export const open: Figure = {
  id: 'open',
  unit: 'ms',
  against: `${OPEN_MS} ms`,
  goal: { ratio: 1, at: 'most' },
  measure: (quick) =>
    withServer(quick, async (server, witnesses) => {
      const { frames, ms } = await rawJoin(server.port, { last_store_seq: 0, patterns: [] });
      witnesses.push(() => readerTestimony('bare', frames, { patterns: [], from: 0 }));
      return { ours: ms, limit: OPEN_MS };
    }),
};

/** What is there is judged: that the store shows, and tells, the state of its log, all of it. */
async function withServer(quick: boolean, run: Measure<Round>): Promise<Round> {
  const { data, testimony } = await seed(quick ? 10_000 : LEAVES);
  const minimum = { writesCommitted: 1, bookmarks: 1 };
  return judged(
    minimum,
    (server, witnesses) => {
      witnesses.push(() => testimony);
      return run(server, witnesses);
    },
    data,
  );
}

type Joined = {
  readonly client: Client;
  readonly ms: number;
  /** Ends, and can tell then what it showed. */
  leave(witnesses: Witness[]): Promise<void>;
};

async function clientJoin(port: number): Promise<Joined> {
  const client = createClient({ url: `ws://127.0.0.1:${port}`, token: 'bench' });
  const startedAt = performance.now();
  const store = client.store('bench/main');
  await store.ready;
  const ms = performance.now() - startedAt;
  const leave = async (witnesses: Witness[]): Promise<void> => {
    const testimony = storeTestimony('client', store);
    witnesses.push(() => testimony);
    await client.close();
  };
  return { client, ms, leave };
}
