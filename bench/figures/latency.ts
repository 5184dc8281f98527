import { createClient, type Receipt, type WatchEvent } from '@holdfast/client';
import { type Figure, median } from '../figure.ts';
import { judged } from '../history/judged.ts';
import { storeTestimony, type Testimony, type Witness } from '../history/testimony.ts';
import { type Running, start } from '../servers/process.ts';
import { echoMs } from './echo.ts';

/** From a write to the callback of another client, against a bare ws server that commits a row and echoes. */
export const latency: Figure = {
  id: 'latency',
  unit: 'ms, p50',
  against: 'a bare ws echo with one raw commit, synchronous FULL, before it',
  goal: { ratio: 2, at: 'most' },
  measure: async (quick) => {
    // So many that the median is of code that has run for a while, on both sides: the first 500 take twice as long.
    const count = quick ? 20 : 3000;
    const minimum = { writesCommitted: count, events: count, bookmarks: 2 };
    const ours = await judged(minimum, (server, witnesses) =>
      writeToCallback(server, count, witnesses),
    );
    return { ours, limit: await durableEcho(count) };
  },
};

async function writeToCallback(
  server: Running,
  count: number,
  witnesses: Witness[],
): Promise<number> {
  const connect = () => createClient({ url: `ws://127.0.0.1:${server.port}`, token: 'bench' });
  const [writer, reader] = [connect(), connect()];
  const [written, watched] = [writer.store('bench/main'), reader.store('bench/main')];
  await Promise.all([written.ready, watched.ready]);
  const waiting: (() => void)[] = [];
  const receipts: Receipt[] = [];
  const events: WatchEvent[] = [];
  const heard = (event: WatchEvent): void => {
    events.push(event);
    waiting.shift()?.();
  };
  watched.on('ping', heard, { mode: 'committed' });
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const told = new Promise<void>((resolve) => waiting.push(resolve));
    const startedAt = performance.now();
    receipts.push(written.put('ping', `${index}`.padEnd(200, '.')));
    await told;
    times.push(performance.now() - startedAt);
  }
  await written.settled();
  const testimonies: readonly Testimony[] = [
    storeTestimony('writer', written, { receipts }),
    storeTestimony('reader', watched, { watched: [{ pattern: 'ping', events }] }),
  ];
  witnesses.push(...testimonies.map((testimony) => () => testimony));
  await Promise.all([writer.close(), reader.close()]);
  return median(times);
}

async function durableEcho(count: number): Promise<number> {
  return echoMs(await start('raw-sqlite', { valueBytes: 200 }), '', count);
}
