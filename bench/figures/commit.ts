import type { Figure } from '../figure.ts';
import type { Witness } from '../history/testimony.ts';
import { judged } from '../history/judged.ts';
import { Writer } from '../load/writers.ts';
import { type Running, start } from '../servers/process.ts';

const WRITERS = 16;
const WINDOW = 64;
const VALUE_BYTES = 200;

/** Durable commits a second through the whole server, against the same rows in raw transactions of 256. */
export const commit: Figure = {
  id: 'commit',
  unit: 'commits/s',
  against: 'raw SQLite transactions of 256 of the same rows, synchronous FULL',
  goal: { ratio: 0.35, at: 'least' },
  measure: async (quick) => {
    const seconds = quick ? 0.3 : 3;
    const ours = await judged(
      { writesCommitted: (WRITERS * WINDOW) / 4, bookmarks: 1 },
      (server, witnesses) => throughServer(server, seconds, witnesses),
    );
    return { ours, limit: await throughSqlite(seconds) };
  },
};

async function throughServer(
  server: Running,
  seconds: number,
  witnesses: Witness[],
): Promise<number> {
  const names = Array.from({ length: WRITERS }, (_, index) => `d${index}`);
  const writers = await Promise.all(
    names.map((name) => Writer.open(server.port, name, VALUE_BYTES)),
  );
  let open = true;
  for (const writer of writers) {
    writer.onAcknowledged = () => {
      if (open) writer.write();
    };
    for (let sent = 0; sent < WINDOW; sent += 1) writer.write();
  }
  // The first half second warms up.
  await passed(0.5);
  const before = writers.reduce((sum, writer) => sum + writer.acknowledged, 0);
  const startedAt = performance.now();
  await passed(seconds);
  const after = writers.reduce((sum, writer) => sum + writer.acknowledged, 0);
  const rate = (after - before) / ((performance.now() - startedAt) / 1000);
  open = false;
  for (const writer of writers) {
    witnesses.push(() => writer.testimony());
    writer.close();
  }
  return rate;
}

async function throughSqlite(seconds: number): Promise<number> {
  const raw = await start('raw-sqlite', { seconds, valueBytes: VALUE_BYTES });
  const rate = await raw.ask('rate');
  await raw.stop();
  return rate;
}

function passed(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
