import { request } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { RealWork } from './real.ts';

/** So many turns of the event loop pass until what was sent is with who reads it. */
const streamTurns = 9;

/** A request over HTTP/1.1 on a connection of its own, as `fetch` makes it. */
export async function call(
  { dial, work }: { readonly dial: () => Socket; readonly work: RealWork },
  url: string,
  init: RequestInit,
): Promise<Response> {
  const { signal } = init;
  signal?.throwIfAborted();
  const { method = 'GET', body } = init;
  const content = await work.count(bytesOf(body));
  const { host, pathname, search } = new URL(url);
  work.turns = streamTurns;
  const headers = Object.fromEntries(new Headers(init.headers));
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        method,
        path: `${pathname}${search}`,
        headers: { ...headers, host, 'content-length': content?.byteLength ?? 0 },
        createConnection: dial,
      },
      (answer) => {
        const status = answer.statusCode ?? 0;
        const { rawHeaders } = answer;
        const pairs = rawHeaders.flatMap((name, at): [string, string][] =>
          at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? '']] : [],
        );
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- two declarations of one class
        const stream = Readable.toWeb(answer) as ReadableStream<Uint8Array>;
        resolve(new Response(status === 204 ? null : stream, { status, headers: pairs }));
      },
    );
    asked.on('error', reject);
    signal?.addEventListener('abort', () => asked.destroy(), { once: true });
    asked.end(content);
  });
}

async function bytesOf(body: RequestInit['body']): Promise<Uint8Array | undefined> {
  if (body === undefined || body === null) return undefined;
  return new Uint8Array(await new Response(body).arrayBuffer());
}
