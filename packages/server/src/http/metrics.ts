import { isObject } from '@holdfast/protocol';
import type { Hono, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';

import { seesStore } from '../access/index.ts';
import { metricsText, metricsType, type Meters } from '../metrics/index.ts';
import { endSpan, startServerSpan, within } from '../tracing/index.ts';
import type { HttpDeps } from './deps.ts';
import { answerProblem, notFound } from './errors.ts';
import { identify, needScope } from './identify.ts';

/** `/metrics` for Prometheus, unless it is turned off; `/api/server` for administrators (stores.md §19.2). */
export function routeMetrics(app: Hono, deps: HttpDeps): void {
  app.get('/metrics', ({ env }) =>
    deps.tellsMetrics === false || !isSpelt('/metrics', env)
      ? answerProblem(notFound())
      : new Response(metricsText(deps.meters.families()), {
          headers: { 'Content-Type': metricsType },
        }),
  );
  app.get('/api/server', async (c) => {
    const principal = await identify(deps, c);
    needScope(principal, 'admin');
    const { stores, ...figures } = deps.figures();
    const seen = stores.filter(({ row }) => seesStore(principal, row));
    const { ok, checks } = await deps.ready();
    return c.json({
      version: deps.version,
      ready: ok,
      checks,
      ...figures,
      stores: seen.map(({ row, ...gauges }) => Object.assign({ name: row.name }, gauges)),
    });
  });
}

/**
 * Whether a request came with this very path, by no other way of writing it: what denies a path to the world in front of us, as a
 * proxy that does not decode it, sees it as it was sent.
 */
function isSpelt(path: string, env: unknown): boolean {
  const request = isObject(env) ? env['incoming'] : undefined;
  const url = isObject(request) ? request['url'] : undefined;
  return typeof url !== 'string' || url === path || url.startsWith(`${path}?`);
}

/** Counts every request, by its route: paths name stores. */
export function measureRequests(
  meters: Meters,
  clock: { readonly now: () => number },
): MiddlewareHandler {
  return async (c, next) => {
    const since = clock.now();
    const span = startServerSpan('holdfast.http', c.req.header());
    await within(span, next);
    const route = matchedRoutes(c).find(({ method, path }) => method !== 'ALL' && path !== '/*');
    meters.requests.add(knownMethod(c.req.method), route?.path ?? 'other', String(c.res.status));
    meters.requestTime.observeMs(clock.now() - since);
    if (span === null) return;
    const { status } = c.res;
    span.updateName(`${knownMethod(c.req.method)} ${route?.path ?? 'other'}`);
    span.setAttributes({
      'http.request.method': knownMethod(c.req.method),
      'http.route': route?.path ?? 'other',
      'http.response.status_code': status,
    });
    endSpan(span, status >= 500 ? String(status) : null);
  };
}

const methods = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS']);

/** Anybody may invent methods; a label for each would have no end. */
function knownMethod(method: string): string {
  return methods.has(method) ? method : 'other';
}
