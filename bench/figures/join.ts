import { rmSync } from 'node:fs';
import { createClient } from '@holdfast/client';
import type { Figure, Round } from '../figure.ts';
import { rawJoin } from '../load/raw-join.ts';
import { seed } from '../load/seed.ts';
import { type Running, start } from '../servers/process.ts';

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
    withServer(quick, async (server) => {
      // The store is open and the code is warm on both sides, as where they have run for a while: it is after ten joins.
      for (let warm = 0; warm < (quick ? 1 : 10); warm += 1) await clientJoin(server.port);
      const { frames } = await rawJoin(server.port, { last_store_seq: 0 });
      const ours = await clientJoin(server.port);
      const startedAt = performance.now();
      for (const text of frames) JSON.parse(text);
      return { ours, limit: performance.now() - startedAt };
    }),
};

/** The longest time for which that join keeps the server's event loop from anything else. */
export const joinBlock: Figure = {
  id: 'join-block',
  unit: 'ms',
  against: `${BLOCK_MS} ms`,
  goal: { ratio: 1, at: 'most' },
  measure: (quick) =>
    withServer(quick, async (server) => {
      await clientJoin(server.port);
      await server.ask('reset');
      await clientJoin(server.port);
      return { ours: await server.ask('block'), limit: BLOCK_MS };
    }),
};

/** The first join of a store of 100,000 leaves after a start, without the transfer of its leaves. */
export const open: Figure = {
  id: 'open',
  unit: 'ms',
  against: `${OPEN_MS} ms`,
  goal: { ratio: 1, at: 'most' },
  measure: (quick) =>
    withServer(quick, async (server) => {
      const { ms } = await rawJoin(server.port, { last_store_seq: 0, patterns: [] });
      return { ours: ms, limit: OPEN_MS };
    }),
};

async function withServer(
  quick: boolean,
  run: (server: Running) => Promise<Round>,
): Promise<Round> {
  const data = await seed(quick ? 10_000 : LEAVES);
  const server = await start('holdfast', { data });
  const round = await run(server);
  await server.stop();
  rmSync(data, { recursive: true, force: true });
  return round;
}

async function clientJoin(port: number): Promise<number> {
  const client = createClient({ url: `ws://127.0.0.1:${port}`, token: 'bench' });
  const startedAt = performance.now();
  await client.store('bench/main').ready;
  const ms = performance.now() - startedAt;
  await client.close();
  return ms;
}
