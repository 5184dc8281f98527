import type { Context } from 'hono';

import { Problem } from './errors.ts';

/** Another protocol is spoken for this, and here is where (stores.md §15.2). */
export function upgradeRequired(c: Context, detail: string): Problem {
  const { origin } = new URL(c.req.url);
  // Whoever asks through a proxy that ends TLS has to go through it again.
  const isSecure = origin.startsWith('https:') || c.req.header('x-forwarded-proto') === 'https';
  const host = origin.slice(origin.indexOf('://'));
  return new Problem(426, 'upgrade_required', {
    detail,
    ws_url: `${isSecure ? 'wss' : 'ws'}${host}/ws/sync/websocket`,
    docs: `${isSecure ? 'https' : 'http'}${host}/api-docs`,
  });
}
