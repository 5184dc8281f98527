import type { Figure } from '../figure.ts';
import { Audience } from '../load/audience.ts';
import { start } from '../servers/process.ts';

const LIMIT_KIB = 40;

/** What an idle joined connection costs the server beyond a bare ws connection, in resident memory; there is no traffic to judge. */
export const memory: Figure = {
  id: 'memory',
  unit: 'KiB',
  against: `${LIMIT_KIB} KiB beyond a bare ws connection`,
  goal: { ratio: 1, at: 'most' },
  measure: async (quick) => {
    const connections = quick ? 100 : 2000;
    const joined = await perConnection('holdfast', connections, Audience.ofStore);
    const bare = await perConnection('bare', connections, Audience.ofBare);
    return { ours: (joined - bare) / 1024, limit: LIMIT_KIB };
  },
};

async function perConnection(
  name: string,
  count: number,
  open: (port: number, count: number) => Promise<Audience>,
): Promise<number> {
  const server = await start(name);
  // What the first connections load is not a cost of the next.
  const first = await open(server.port, 50);
  const before = await server.ask('rss');
  const audience = await open(server.port, count);
  const after = await server.ask('rss');
  first.close();
  audience.close();
  await server.stop();
  return (after - before) / count;
}
