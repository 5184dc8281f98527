import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createServer } from '@holdfast/server';
import { kanban } from './board.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4420' },
    data: { type: 'string', default: '.holdfast/kanban' },
  },
});

const server = createServer({
  app: kanban,
  // Lets everybody in. A real board looks up a session here, as the example of a chat does.
  authenticate: () => ({ subject: null }),
  data: values.data,
  site: fileURLToPath(new URL('../../dist', import.meta.url)),
});
// Null where it is there already.
await server.stores.create('team/board');
const { url } = await server.listen({ port: Number(values.port) });
process.stdout.write(`The board is at ${url}\n`);

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void server.close());
