import type { Context } from 'hono';

import { Problem } from './errors.ts';

/** Another protocol is spoken for this, and here is where (stores.md §15.2). */
export function upgradeRequired(c: Context, detail: string): Problem {
  const { origin } = new URL(c.req.url);
  // Whoever asks through a proxy that ends TLS has to go through it again.
  const isSecure = origin.startsWith('https:') || c.req.header('x-forwarded-proto') === 'https';
  const host = `${origin.slice(origin.indexOf('://'))}${prefixOf(c)}`;
  return new Problem(426, 'upgrade_required', {
    detail,
    ws_url: `${isSecure ? 'wss' : 'ws'}${host}/ws/sync/websocket`,
    docs: `${isSecure ? 'https' : 'http'}${host}/api-docs`,
  });
}

/** The path below which a proxy has the server, where it says so; only whoever sends it is told of it. */
function prefixOf(c: Context): string {
  const [said = ''] = (c.req.header('x-forwarded-prefix') ?? '').split(',');
  const path = said.trim().replace(/\/$/, '');
  return /^(\/[\w.~-]+)+$/.test(path) ? path : '';
}
