import { type Authenticate, createServer, type Server, type ServerOptions } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { issue as issueToken } from './token.ts';
import {
  type Client,
  type ClientEnv,
  type ClientOptions,
  createClient,
  type Store,
} from '@holdfast/client';

/** A server with one store, and clients of it; all of it ends with the test. */
export type World = AsyncDisposable & {
  readonly server: Server;
  readonly url: string;
  readonly token: string;
  createStore(name: string): Promise<void>;
  issue(scopes: readonly string[]): Promise<{ readonly id: string; readonly rawToken: string }>;
  client(options?: Partial<ClientOptions>): Client;
  /** A store that is ready, of a client of its own. */
  store(options?: Partial<ClientOptions>): Promise<Store>;
  /** What was reported, by any client. */
  readonly errors: unknown[];
};

/** Opens a world; the store is `acme/app`. Where the server is given a clock its clients go by it, too. */
export async function openWorld(
  authenticate?: Authenticate,
  more: Partial<ServerOptions> = {},
): Promise<World> {
  const { clock } = more;
  const storage = memory(clock && { now: () => clock.wall() });
  const own = { storage, rates: false, ...more } as const;
  const server = createServer({ ...own, ...(authenticate && { authenticate }) });
  const { url } = await server.listen();
  await server.stores.create('acme/app');
  const issue: World['issue'] = (scopes) => issueToken(server, scopes as never);
  const { rawToken: token } = await issue(['entries:read', 'entries:write']);
  const clients: Client[] = [];
  const errors: unknown[] = [];
  const time = clock && timeOf(clock);
  const client: World['client'] = (options = {}) => {
    const made = createClient({
      url,
      token,
      onError: (error) => errors.push(error),
      ...options,
      env: { ...time, ...options.env },
    });
    clients.push(made);
    return made;
  };
  return {
    server,
    url,
    token,
    errors,
    issue,
    client,
    async createStore(name) {
      await server.stores.create(name);
    },
    async store(options) {
      const store = client(options).store('acme/app');
      await store.ready;
      return store;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((each) => each.close()));
      await server.close({ retryAfterMs: 0 });
    },
  };
}

function timeOf(clock: NonNullable<ServerOptions['clock']>): Partial<ClientEnv> {
  return {
    now: () => clock.now(),
    wall: () => clock.wall(),
    setTimeout: (run, ms) => clock.setTimeout(run, ms),
    clearTimeout: (handle) => clock.clearTimeout(handle),
  };
}
