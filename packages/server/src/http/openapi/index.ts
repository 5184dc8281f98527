import { createHash } from 'node:crypto';
import type { Hono } from 'hono';

export { bodies, type BodyName } from './bodies.ts';
import { openApiDocument } from './document.ts';
import { apiPage } from './page.ts';

const script = /<script>([\s\S]*)<\/script>/.exec(apiPage)?.[1] ?? '';
const digest = createHash('sha256').update(script).digest('base64');
/** The page's own script and styles, and answers of this server: nothing else. */
const policy = `default-src 'none'; script-src 'sha256-${digest}'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`;

/** `GET /openapi.json`, and a page to try what it describes at `/api-docs` (stores.md §15.2). */
export function routeOpenApi(app: Hono, version: string): void {
  const document = openApiDocument(version);
  app.get('/openapi.json', (c) => c.json(document));
  app.get('/api-docs', (c) => {
    c.header('Content-Security-Policy', policy);
    return c.html(apiPage);
  });
}
