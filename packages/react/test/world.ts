import {
  type Client,
  type ClientOptions,
  createClient,
  type Link,
  type LinkConnection,
  type LinkEvents,
  type Store,
  webSocketLink,
} from '@holdfast/client';
import { presences } from '@holdfast/client/presence';
import { createServer, type Server } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { Clock, turn, until } from './clock.ts';

/** A link of real WebSockets on which the frames can be counted, that come to nothing while it is held. */
export class Wire implements Link {
  readonly #link: Link;
  readonly #sent: unknown[][] = [];
  /** All that was received. */
  received = '';
  #held: (() => void)[] | null = null;
  #cut = (): void => undefined;
  /** Questions that the server has yet to answer. */
  #unanswered = new Set<unknown>();

  constructor(link: Link = webSocketLink()) {
    this.#link = link;
  }

  open(url: string, events: LinkEvents): LinkConnection {
    const connection = this.#link.open(url, {
      ...events,
      opened: () => events.opened(),
      closed: (code) => events.closed(code),
      received: (data) => {
        const [, ref] = JSON.parse(String(data)) as unknown[];
        this.#unanswered.delete(ref);
        this.received += String(data);
        this.#pass(() => events.received(data));
      },
    });
    this.#cut = () => connection.close(4000);
    return {
      send: (data) => {
        const frame = JSON.parse(String(data)) as unknown[];
        this.#sent.push(frame);
        this.#unanswered.add(frame[1]);
        connection.send(data);
      },
      close: (code) => connection.close(code),
    };
  }

  get isQuiet(): boolean {
    return this.#unanswered.size === 0;
  }

  /** How many frames were sent of an event, on a topic, with something in the payload. */
  count(event: string, topic = '', payload = ''): number {
    return this.#sent.filter(
      ([, , at, name, what]) =>
        name === event && String(at).includes(topic) && JSON.stringify(what).includes(payload),
    ).length;
  }

  /** Nothing is received until {@link letIn}. */
  hold(): void {
    this.#held ??= [];
  }

  letIn(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const pass of held) pass();
  }

  /** The socket breaks. */
  cut(): void {
    this.#cut();
  }

  #pass(deed: () => void): void {
    if (this.#held === null) deed();
    else this.#held.push(deed);
  }
}

/** A client of the world, what it says to the server, and the clock that it goes by. */
export type Seat = {
  readonly client: Client;
  readonly wire: Wire;
  /** Lets time pass, in which the server answers as quickly as it does. */
  pass(ms: number): Promise<void>;
  /** Whether the client waits for nothing. */
  isIdle(): boolean;
};

/** A server with the stores `acme/app` and `acme/more`; all of it ends with the test. */
export type World = AsyncDisposable & {
  readonly server: Server;
  readonly url: string;
  readonly errors: unknown[];
  seat(options?: Partial<ClientOptions>): Seat;
  /** A store that is ready, of somebody else. */
  other(name?: string): Promise<Store>;
};

export async function openWorld(): Promise<World> {
  const server = createServer({ storage: memory(), rates: false });
  const { url } = await server.listen();
  for (const name of ['acme/app', 'acme/more']) await server.stores.create(name);
  const { rawToken: token } = await server.tokens.issue({
    name: 'test',
    org: 'acme',
    scopes: ['entries:read', 'entries:write'],
    storeAccess: { mode: 'all' },
    expiresAt: null,
    createdBy: null,
  });
  const clients: Client[] = [];
  const errors: unknown[] = [];
  const seat: World['seat'] = (options = {}) => {
    const [wire, clock] = [new Wire(), new Clock()];
    const client = createClient({
      url,
      token,
      link: wire,
      presences: presences(),
      onError: (error) => errors.push(error),
      ...options,
      env: { ...clock.env, random: () => 0.01, ...options.env },
    });
    clients.push(client);
    const pass = async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= 5000) {
        await clock.skip(Math.min(left, 5000));
        await until(() => wire.isQuiet);
      }
    };
    return { client, wire, pass, isIdle: () => clock.isIdle };
  };
  return {
    server,
    url,
    errors,
    seat,
    other: async (name = 'acme/app') => {
      const store = seat().client.store(name);
      await store.ready;
      return store;
    },
    async [Symbol.asyncDispose]() {
      await turn();
      await Promise.all(clients.map((each) => each.close()));
      await server.close({ retryAfterMs: 0 });
    },
  };
}
