import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { loopback } from './loopback.ts';

/** What a request needs of its server. */
export type FetchRoom = {
  /** Lets a request in, until `end`. */
  admit(): { readonly token: string; end(): void };
  /** Takes a connection as if it came from the network. */
  serve(connection: Socket): void;
};

/** The HTTP of a client in the same process: as `fetch`, by a connection of its own that never leaves the process. */
export function fetchBy(room: FetchRoom): (url: string, init: RequestInit) => Promise<Response> {
  return (url, init) => {
    const asked = new Request(url, init);
    const visit = room.admit();
    asked.headers.set('authorization', `Bearer ${visit.token}`);
    const [near, far] = loopback();
    room.serve(far);
    const sent = request(url, {
      method: asked.method,
      headers: Object.fromEntries(asked.headers),
      signal: asked.signal,
      createConnection: () => near,
    });
    sent.once('close', () => visit.end());
    return new Promise((resolve, reject) => {
      // More than one may come, and one that nobody hears ends the process.
      sent.on('error', reject);
      sent.once('response', (came: IncomingMessage) => resolve(responseOf(came)));
      if (asked.body === null) sent.end();
      else pipeline(asked.body, sent).catch(reject);
    });
  };
}

function responseOf(came: IncomingMessage): Response {
  const { statusCode: status = 500, headersDistinct } = came;
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  const isBare = status === 204 || status === 304;
  if (isBare) came.resume();
  return new Response(isBare ? null : streamOf(came), { status, headers });
}

function streamOf(came: IncomingMessage): ReadableStream<Uint8Array> {
  const pieces: AsyncIterator<Uint8Array> = came[Symbol.asyncIterator]();
  return new ReadableStream({
    pull: async (controller) => {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => void came.destroy(),
  });
}
