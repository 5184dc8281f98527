import type { Context, Hono } from 'hono';

import type { Principal } from '../access/index.ts';
import { readObject } from './body.ts';
import type { HttpDeps } from './deps.ts';
import { identify, stillValid } from './identify.ts';
import { Problem } from './errors.ts';
import { Streams } from './streams.ts';

/** `/api/records`: records without a socket (records.md §8.1). */
export function routeRecords(app: Hono, deps: HttpDeps): void {
  const { records } = deps;
  if (records === undefined) return;
  const streams = new Streams(deps.limits.max_sockets_per_token);
  const serve = async (c: Context, hasBody: boolean): Promise<Response> => {
    const principal = await readerOf(deps, c);
    const body = hasBody ? await readObject(c, deps, principal) : undefined;
    const request = c.req.raw;
    const isCounted = principal !== null && !c.req.path.endsWith('/handshake');
    const ended = isCounted ? streams.enter(principal) : undefined;
    const isStill = async (): Promise<boolean> =>
      principal === null || stillValid(deps, c, principal);
    const asked = { request, ...(body && { body }), ...(ended && { ended }) };
    const response = await records.serve(asked, { principal, isStill }).catch((error: unknown) => {
      ended?.();
      throw error;
    });
    return new Response(response.body, response);
  };
  app.get('/api/records', (c) => serve(c, false));
  for (const what of ['stream', 'handshake']) {
    app.post(`/api/records/${what}`, (c) => serve(c, true));
  }
}

/** Who asks; null: nobody known, where that is enough. */
async function readerOf(deps: HttpDeps, c: Context): Promise<Principal | null> {
  try {
    return await identify(deps, c);
  } catch (error) {
    const isUnknown = error instanceof Problem && error.status === 401;
    if (isUnknown && deps.records?.isPublic === true) return null;
    throw error;
  }
}
