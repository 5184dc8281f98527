import type { Context, Hono, MiddlewareHandler } from 'hono';

import { answerProblem, notFound, Problem } from './errors.ts';

const verbs = ['GET', 'PUT', 'POST', 'DELETE'];
/** A HEAD would begin a stream that nobody reads or ends. */
const streams: ReadonlySet<string> = new Set([
  '/api/stores/:org/:store/watch',
  '/api/stores/:org/:store/export',
  '/api/stores/:org/:store/diff',
  '/api/records',
]);

/** The end of what no route has taken: unknown, or known by other methods than the one that came (RFC 9110 §15.5.6). */
export function answerUnrouted(app: Hono, c: Context): Response {
  const allowed = methodsOf(app, c.req.path);
  if (allowed.length === 0) return answerProblem(notFound());
  return c.req.method === 'OPTIONS' ? answerOptions(allowed) : wrongMethod(allowed);
}

/** Refuses the HEAD of what streams. */
export function refuseHeads(app: Hono): void {
  for (const stream of streams) {
    app.use(stream, async (c, next) => (c.req.method === 'HEAD' ? answerUnrouted(app, c) : next()));
  }
}

/** Adds to what a browser is told of other origins which methods there are at all. */
export function tellMethods(app: Hono): MiddlewareHandler {
  return async (c, next) => {
    await next();
    if (c.req.method !== 'OPTIONS') return;
    const allowed = methodsOf(app, c.req.path);
    if (allowed.length > 0) c.res.headers.set('Allow', allowed.join(', '));
  };
}

/** The methods that routes of this path take. What pages are served from takes each path, and is no route of it. */
function methodsOf(app: Hono, path: string): readonly string[] {
  return verbs.flatMap((verb) => {
    const [found] = app.router.match(verb, path);
    const route = found.find(([[, { method }]]) => method === verb)?.[0][1];
    if (route === undefined || route.path === '/*') return [];
    return verb === 'GET' && !streams.has(route.path) ? ['GET', 'HEAD'] : [verb];
  });
}

function answerOptions(allowed: readonly string[]): Response {
  return new Response(null, { status: 204, headers: { Allow: allowed.join(', ') } });
}

function wrongMethod(allowed: readonly string[]): Response {
  const detail = `Use ${new Intl.ListFormat('en', { type: 'disjunction' }).format(allowed)}.`;
  const answer = answerProblem(new Problem(405, 'method_not_allowed', { detail }));
  answer.headers.set('Allow', allowed.join(', '));
  return answer;
}
