import { ServerResponse } from 'node:http';
import type { Context, MiddlewareHandler } from 'hono';
import type { HttpDeps } from './deps.ts';
import { follow, IdleReader } from './stream-of.ts';

/**
 * Ends the connection of an answer that cannot go on, so that nobody takes its beginning for the whole, and tells the log. What
 * is left to the library that speaks HTTP it writes to standard output and error, as often as it happens.
 */
export function breakOff({ onFailure }: Pick<HttpDeps, 'onFailure'>): MiddlewareHandler {
  return async (c, next) => {
    await next();
    const outgoing = outgoingOf(c);
    const { body, status, headers } = c.res;
    if (outgoing === null || body === null) return;
    const onBroken = (error: unknown): void => {
      if (!(error instanceof IdleReader)) onFailure(error);
      outgoing.destroy();
    };
    // What may be large goes no further way for it.
    if (follow(body, onBroken)) return;
    // Or the headers of the old one would be put over those of the new.
    c.res = undefined;
    c.res = new Response(followed(body, onBroken), { status, headers });
  };
}

/** Null where no connection is answered, as in tests of an application of Hono's. */
function outgoingOf({ env }: Context): ServerResponse | null {
  const { outgoing }: { readonly outgoing?: unknown } = Object(env);
  return outgoing instanceof ServerResponse ? outgoing : null;
}

/** The same bytes; where they break off there are no more, and no end, until whoever reads them gives up. */
function followed(
  bytes: ReadableStream<Uint8Array>,
  onBroken: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  const reader = bytes.getReader();
  let isLeft = false;
  return new ReadableStream(
    {
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          // Whoever left while it was made has been seen off.
          if (isLeft) return;
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          if (!isLeft) onBroken(error);
        }
      },
      cancel: (why) => {
        isLeft = true;
        return reader.cancel(why);
      },
    },
    { highWaterMark: 0 },
  );
}
