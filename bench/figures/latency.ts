import { createClient } from '@holdfast/client';
import { type Figure, median } from '../figure.ts';
import { start } from '../servers/process.ts';
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
    return { ours: await writeToCallback(count), limit: await durableEcho(count) };
  },
};

async function writeToCallback(count: number): Promise<number> {
  const server = await start('holdfast');
  const connect = () => createClient({ url: `ws://127.0.0.1:${server.port}`, token: 'bench' });
  const [writer, reader] = [connect(), connect()];
  const [written, watched] = [writer.store('bench/main'), reader.store('bench/main')];
  await Promise.all([written.ready, watched.ready]);
  const waiting: (() => void)[] = [];
  watched.on('ping', () => waiting.shift()?.(), { mode: 'committed' });
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const heard = new Promise<void>((resolve) => waiting.push(resolve));
    const startedAt = performance.now();
    written.put('ping', `${index}`.padEnd(200, '.'));
    await heard;
    times.push(performance.now() - startedAt);
  }
  await Promise.all([writer.close(), reader.close()]);
  await server.stop();
  return median(times);
}

async function durableEcho(count: number): Promise<number> {
  return echoMs(await start('raw-sqlite', { valueBytes: 200 }), '', count);
}
