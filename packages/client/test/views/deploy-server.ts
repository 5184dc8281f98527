// A server whose views keep what they show in a store, in a process that the test ends without notice. Arguments: data directory, port.
import { app, createServer, holdfast, scopes, stream } from '@holdfast/server';
import { z } from 'zod';

type Stores = { 'acme/app': { cards: { [id: string]: { title: string } } } };
const { view } = holdfast<{ stores: Stores }>();

const card = view({
  name: 'Card',
  params: z.object({ title: z.string() }),
  render: (_s, _h, { params }) => ({ title: params.title }),
});

const board = view({
  name: 'Board',
  scope: 'shared',
  streams: { log: stream<{ id: string }>({ limit: 50 }) },
  render: (_s, h, ctx) => ({
    cards: Object.entries(ctx.store('acme/app').get('cards') ?? {}).map(([id, { title }]) =>
      h.child(card, id, { title }),
    ),
    log: h.stream('log'),
  }),
  commands: {
    add: {
      input: z.object({ id: z.string() }),
      run: async (ctx, { id }) => {
        const store = ctx.store('acme/app');
        await store.ready;
        await store.put(['cards', id], { title: `card ${id}` });
        ctx.stream('log').insert({ id });
      },
    },
  },
});

/** What clients know of it. */
export const boards = app({ views: [board] });

const [, , data = '', port = '0'] = process.argv;
if (process.send !== undefined) {
  const server = createServer({
    data,
    rates: false,
    app: boards,
    authenticate: async ({ token: subject }) => ({
      subject,
      orgs: ['acme'],
      scopes: new Set(scopes),
      storeAccess: { mode: 'all' },
      expiresAt: null,
      tokenId: null,
    }),
    log: { info: () => undefined, error: (_, what) => process.stderr.write(`${what}\n`) },
  });
  if ((await server.stores.find('acme/app')) === null) await server.stores.create('acme/app');
  const address = await server.listen({ port: Number(port) });
  process.send({ port: address.port });
  process.on('disconnect', () => process.exit());
}
