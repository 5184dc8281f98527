import { createServer, type Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';

const HEADERS_TIMEOUT_MS = 20_000;

/** What of Node speaks HTTP for the server; `headersTimeoutMs`: so long somebody may take to say what is wanted. */
export function httpServer(
  fetch: Parameters<typeof getRequestListener>[0],
  headersTimeoutMs: number = HEADERS_TIMEOUT_MS,
): Server {
  // The process is not ours alone: its `Request` and `Response` stay what they are.
  // Probes of HTTP/1.0, such as HAProxy sends, name no host.
  const options = { overrideGlobalObjects: false, hostname: 'localhost' };
  const listener = getRequestListener(fetch, options);
  return createServer(
    {
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: Math.ceil(headersTimeoutMs / 4),
      // A large file may take its time; bodies that stop coming are ended where they are read.
      requestTimeout: 0,
    },
    (request, response) => void listener(request, response),
  );
}
