import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Context, MiddlewareHandler } from 'hono';
import { qualityOf } from './accept-encoding.ts';

const BYTES_MIN = 1024;
const compressed = promisify(gzip);
const json = /^application\/(?:json|x-ndjson)\b/;

/**
 * Answers of JSON travel as gzip where it pays and the client can read it. Not files of stores, which are what they are; not event
 * streams, which would wait for a full block; nothing with an ETag, for a guard names the bytes as they are kept.
 *
 * And not what is asked without a bearer, by a cookie: whoever can make a browser ask, and see how long the answer is, could
 * guess what else is in it (BREACH). Answers to writes, which tell new secrets, are left alone too.
 */
export function compressJson(): MiddlewareHandler {
  return async (c, next) => {
    await next();
    if (!isFit(c)) return;
    c.res.headers.append('Vary', 'Accept-Encoding');
    if (qualityOf('gzip', c.req.header('accept-encoding')) === 0) return;
    const answer = isStream(c.res) ? streamed(c.res) : await atOnce(c.res);
    // Or the headers of the old one would be put over those of the new.
    c.res = undefined;
    c.res = answer;
  };
}

function isFit({ req, res }: Context): boolean {
  return (
    req.method === 'GET' &&
    req.header('authorization') !== undefined &&
    res.status === 200 &&
    json.test(res.headers.get('content-type') ?? '') &&
    !res.headers.has('etag') &&
    !res.headers.has('content-encoding')
  );
}

function isStream({ headers }: Response): boolean {
  return headers.get('content-type')?.startsWith('application/x-ndjson') === true;
}

function streamed({ body, status, headers }: Response): Response {
  const bytes = body?.pipeThrough(new CompressionStream('gzip')) ?? null;
  return new Response(bytes, { status, headers: marked(headers) });
}

/** What comes in one piece is compressed at once; of a longer answer nobody holds all. */
async function atOnce(answer: Response): Promise<Response> {
  const { body, status, headers } = answer;
  if (body === null) return answer;
  const reader = body.getReader();
  const first = await reader.read();
  const second = first.done ? first : await reader.read();
  if (!first.done && !second.done) {
    const rest = behind([first.value, second.value], reader);
    return streamed(new Response(rest, { status, headers }));
  }
  const bytes = new Uint8Array(first.value ?? []);
  if (bytes.byteLength < BYTES_MIN) return new Response(bytes, { status, headers });
  const small = new Uint8Array(await compressed(bytes));
  return new Response(small, { status, headers: marked(headers) });
}

/** The pieces that were read already, and those that are still to be. */
function behind(
  begun: readonly Uint8Array[],
  reader: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      start: (controller) => {
        for (const piece of begun) controller.enqueue(piece);
      },
      pull: async (controller) => {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function marked(headers: Headers): Headers {
  const changed = new Headers(headers);
  changed.delete('Content-Length');
  changed.set('Content-Encoding', 'gzip');
  return changed;
}
