import { createClient } from '@holdfast/client';
import { views } from '@holdfast/client/views';
import { type Figure, median } from '../figure.ts';
import { start } from '../servers/process.ts';
import { echoMs } from './echo.ts';

/** From a command to the snapshot of another subscriber, against a bare ws server that echoes. */
export const viewLatency: Figure = {
  id: 'view-latency',
  unit: 'ms, p50',
  against: 'a bare ws echo',
  goal: { ratio: 3, at: 'most' },
  measure: async (quick) => {
    const count = quick ? 20 : 3000;
    return {
      ours: await commandToSnapshot(count),
      limit: await echoMs(await start('bare'), '/echo', count),
    };
  },
};

async function commandToSnapshot(count: number): Promise<number> {
  const server = await start('views');
  const connect = () =>
    createClient({ url: `ws://127.0.0.1:${server.port}`, token: 'bench', views: views() });
  const [writer, reader] = [connect(), connect()];
  const written = await writer.view('Room', { id: 'r' }).ready;
  const read = await reader.view('Room', { id: 'r' }).ready;
  const waiting: (() => void)[] = [];
  read.$subscribe(() => waiting.shift()?.());
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const heard = new Promise<void>((resolve) => waiting.push(resolve));
    const startedAt = performance.now();
    const said = `${index}`.padEnd(200, '.');
    void written.$dispatch('say', { said });
    await heard;
    times.push(performance.now() - startedAt);
    if (read['said'] !== said) throw new Error('another state is shown');
  }
  await Promise.all([writer.close(), reader.close()]);
  await server.stop();
  return median(times);
}
