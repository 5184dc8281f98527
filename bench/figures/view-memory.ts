import type { Figure } from '../figure.ts';
import { Audience } from '../load/audience.ts';
import { start } from '../servers/process.ts';

const LIMIT_KIB = 60;
const ROOTS = 100;

/** What an instance of a view of 50 nodes costs the server, with its channel, in resident memory. */
export const viewMemory: Figure = {
  id: 'view-memory',
  unit: 'KiB',
  against: `${LIMIT_KIB} KiB`,
  goal: { ratio: 1, at: 'most' },
  measure: async (quick) => {
    const sockets = quick ? 2 : 100;
    const server = await start('views');
    // What the first ones load is not a cost of the next.
    const first = await Audience.ofViews(server.port, { sockets: 1, roots: ROOTS });
    const before = await server.ask('rss');
    const audience = await Audience.ofViews(server.port, { sockets, roots: ROOTS });
    const after = await server.ask('rss');
    first.close();
    audience.close();
    await server.stop();
    return { ours: (after - before) / (sockets * ROOTS) / 1024, limit: LIMIT_KIB };
  },
};
