import {
  createServer,
  type Principal,
  scopes,
  type Server,
  type ServerOptions,
} from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { onTestFinished } from 'vitest';
import { type Knock, Peer } from './peer.ts';

/** A running server with the empty store `demo/main` and a token `dev` that may do everything in the org `demo`. */
export type World = {
  readonly server: Server;
  readonly url: string;
  readonly storeId: string;
  /** A connected peer that is cut when the test ends. */
  connect(knock?: Knock): Promise<Peer>;
  /** A peer that has joined `demo/main` and caught up. */
  joined(knock?: Knock, payload?: object): Promise<Peer>;
};

/** The topic of the store of a {@link World}. */
export const topic = 'store:demo/main';

/** Ten years: who lets time pass does not wait meanwhile for a pong, whose way takes real time. */
const patient = { idle_timeout_ms: 315_360_000_000 };

/** The principal of the token `dev`. */
export const everything: Principal = {
  subject: 'dev',
  orgs: ['demo'],
  scopes: new Set(scopes),
  storeAccess: { mode: 'all' },
  expiresAt: null,
  tokenId: null,
};

/** Starts a server for one test; it is closed when the test ends. Silent sockets stay where the test holds the clock. */
export async function world(options: Partial<ServerOptions> = {}): Promise<World> {
  const server = createServer({
    rates: false,
    ...(options.data === undefined && { storage: memory() }),
    authenticate: async ({ token }) => (token === 'dev' ? everything : null),
    ...options,
    limits: { ...(options.clock !== undefined && patient), ...options.limits },
  });
  const { url } = await server.listen();
  const store =
    (await server.stores.create('demo/main')) ?? (await server.stores.find('demo/main'));
  if (store === null) throw new Error('no store');
  const peers: Peer[] = [];
  onTestFinished(async () => {
    for (const peer of peers) peer.cut();
    await server.close();
  });
  const connect = async (knock?: Knock): Promise<Peer> => {
    const peer = await Peer.connect(url, knock);
    peers.push(peer);
    return peer;
  };
  return {
    server,
    url,
    storeId: store.id,
    connect,
    joined: async (knock, payload) => {
      const peer = await connect(knock);
      await peer.join(topic, payload);
      await peer.caughtUp();
      return peer;
    },
  };
}

/** The payload of a `set`. */
export function set(path: string, value: unknown, clientOpId: string, more: object = {}): object {
  return { op: 'set', path, value, client_op_id: clientOpId, ...more };
}
