import { app, createServer, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { z } from 'zod';
import { serve } from './answers.ts';
import { authenticate } from './principal.ts';

/** A view of 50 nodes: the root and 49 children. */
const children = 49;
const row = view({
  name: 'Row',
  params: z.object({ title: z.string() }),
  mount: () => ({ open: false }),
  render: ({ open }, _h, { params }) => ({ title: params.title, open, tags: ['a', 'b'] }),
});
const page = view({
  name: 'Page',
  mount: () => ({ at: 0 }),
  render: ({ at }, h) => ({
    at,
    rows: Array.from({ length: children }, (_, n) => h.child(row, `${n}`, { title: `row ${n}` })),
  }),
});

const room = view({
  name: 'Room',
  scope: 'shared',
  mount: () => ({ said: '' }),
  render: ({ said }, h) => ({ said, row: h.child(row, 'row', { title: 'one' }) }),
  commands: {
    say: { input: z.object({ said: z.string() }), run: (ctx, { said }) => ctx.update({ said }) },
  },
});

const server = createServer({
  rates: false,
  storage: memory(),
  app: app({ views: [page, room] }),
  limits: { max_sockets_per_token: 10_000, idle_timeout_ms: 600_000 },
  viewLimits: { commands_per_second: 1_000_000, commands_burst: 1_000_000 },
  authenticate,
});
const { port } = await server.listen();
serve(port, () => server.close());
