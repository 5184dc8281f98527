import type { Hono } from 'hono';

import type { HttpDeps } from './deps.ts';

/** `/healthz`: the process lives. `/readyz`: send it work, or not, as while it drains (stores.md §19.2). */
export function routeHealth(app: Hono, deps: HttpDeps): void {
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', async (c) => {
    const { ok, checks } = await deps.ready();
    return c.json({ status: ok ? 'ok' : 'unavailable', checks }, ok ? 200 : 503);
  });
}
