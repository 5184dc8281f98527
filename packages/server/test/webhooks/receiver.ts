import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';

/** A request that a receiver got. */
export type Received = {
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly body: { readonly [field: string]: unknown };
};

/** What a receiver does with a request: a status, headers of a redirect, or nothing at all. */
export type Reaction = number | { readonly status: number; readonly location: string } | 'silence';

/** A real server somewhere that takes webhooks. */
export type Receiver = {
  readonly url: string;
  readonly port: number;
  /** All that came, first to last. */
  readonly received: readonly Received[];
  /** The bodies of what came. */
  readonly bodies: () => readonly Received['body'][];
  /** The most that were being answered at a time. */
  readonly together: () => number;
  /** Reacts like this from now on. */
  react(reaction: Reaction): void;
  /** Waits for as many requests. */
  heard(count: number): Promise<void>;
};

/** Starts a receiver that answers 200 until it is told otherwise. */
export async function receiver(host = '127.0.0.1'): Promise<Receiver> {
  const received: Received[] = [];
  let reaction: Reaction = 200;
  let open = 0;
  let most = 0;
  let changed: (() => void) | null = null;
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    open += 1;
    most = Math.max(most, open);
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const text = Buffer.concat(pieces).toString();
    received.push({ headers: request.headers, text, body: JSON.parse(text || '{}') });
    changed?.();
    if (reaction === 'silence') return;
    open -= 1;
    if (typeof reaction === 'number') response.writeHead(reaction).end('never mind');
    else response.writeHead(reaction.status, { location: reaction.location }).end();
  };
  const server = createServer((request, response) => void take(request, response));
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}/hook`,
    port,
    received,
    bodies: () => received.map(({ body }) => body),
    together: () => most,
    react: (next) => (reaction = next),
    heard: async (count) => {
      while (received.length < count) {
        // oxlint-disable-next-line no-await-in-loop -- one at a time
        await new Promise<void>((resolve) => (changed = resolve));
      }
    },
  };
}
