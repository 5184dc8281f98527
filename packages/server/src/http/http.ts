import { HoldfastError, isReason, refuse, RejectedError } from '@holdfast/protocol';
import { Hono, type MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';

import { isListed } from '../access/index.ts';
import { StorageError } from '../storage/port.ts';
import { Acts } from './acts.ts';
import { compressJson } from './compress.ts';
import { routeAudit } from './audit.ts';
import { breakOff } from './broken-off.ts';
import { routeConsole } from './console.ts';
import { refuseCrossSite } from './cross-site.ts';
import type { HttpDeps } from './deps.ts';
import { answerProblem, notFound, Problem, refused } from './errors.ts';
import { routeClone } from './clone.ts';
import { Committer } from './commit.ts';
import { routeEntries } from './entries.ts';
import { routeEntryBatch } from './entry-batch.ts';
import { routeEntryList } from './entry-list.ts';
import { routeFiles } from './files.ts';
import { addRate } from './identify.ts';
import { routeHealth } from './health.ts';
import { routeHistory } from './history.ts';
import { answerUnrouted, refuseHeads, tellMethods } from './methods.ts';
import { measureRequests, routeMetrics } from './metrics.ts';
import { routeOpenApi } from './openapi/index.ts';
import { routeExplain } from './explain.ts';
import { routeExport } from './export.ts';
import { routeImport } from './import.ts';
import { routeLog } from './log.ts';
import { routeOAuth } from './mcp/oauth.ts';
import { routeMcp } from './mcp/route.ts';
import { routeRecords } from './records.ts';
import { routeSite } from './site.ts';
import { routeStores } from './stores.ts';
import { routeTokens } from './tokens.ts';
import { routeWatch } from './watch.ts';
import { routeWebhooks } from './webhooks.ts';
import { routeWhoami } from './whoami.ts';

const unavailable = refuse('unavailable', { retry_after_ms: 1000 });
const requestId = /^[\x21-\x7e]{1,128}$/;
const corsHeaders = {
  allowMethods: ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'],
  allowHeaders: [
    'Authorization',
    'Content-Disposition',
    'Content-Range',
    'Content-Type',
    'Holdfast-Content-Hash',
    'Holdfast-Device',
    'Holdfast-Params',
    'traceparent',
    'Idempotency-Key',
    'If-Match',
    'If-None-Match',
    'If-Range',
    'Last-Event-ID',
    'Mcp-Protocol-Version',
    'Mcp-Session-Id',
    'Range',
    'Repr-Digest',
    'X-Request-Id',
  ],
  exposeHeaders: [
    'Accept-Ranges',
    'Content-Disposition',
    'Content-Encoding',
    'Content-Length',
    'Content-Range',
    'ETag',
    'Idempotent-Replay',
    'Retry-After',
    'X-RateLimit-Limit',
    'X-RateLimit-Remaining',
    'X-RateLimit-Reset',
    'X-Request-Id',
  ],
  maxAge: 600,
};

/** The HTTP surface of a server, as one fetch handler (stores.md §15). */
export function createHttp(deps: HttpDeps): Hono {
  const app = new Hono();
  app.use(breakOff(deps));
  app.use(measureRequests(deps.meters, deps.clock));
  app.use(async (c, next) => {
    const asked = c.req.header('x-request-id') ?? '';
    await next();
    c.res.headers.set('X-Request-Id', requestId.test(asked) ? asked : deps.newId());
    harden(c.res.headers);
  });
  for (const surface of ['/api/*', '/mcp']) guard(app, deps, surface);
  refuseHeads(app);
  routeHealth(app, deps);
  routeMetrics(app, deps);
  routeOpenApi(app, deps.version);
  routeWhoami(app, deps);
  const acts = new Acts(deps);
  routeStores(app, deps, acts);
  routeTokens(app, deps, acts);
  routeAudit(app, deps);
  routeExplain(app, deps);
  const committer = new Committer(deps);
  routeWatch(app, deps);
  routeRecords(app, deps);
  routeHistory(app, deps, committer);
  routeLog(app, deps);
  routeExport(app, deps);
  routeImport(app, deps);
  routeClone(app, deps, acts);
  routeEntryBatch(app, deps, committer);
  routeEntryList(app, deps);
  routeEntries(app, deps, committer);
  routeFiles(app, deps, committer);
  routeWebhooks(app, deps, acts);
  if (deps.oauth !== undefined) routeOAuth(app, deps.oauth);
  routeMcp(app, deps);
  app.all('/api/*', (c) => answerUnrouted(app, c));
  if (deps.site === undefined) routeConsole(app, deps);
  else routeSite(app, deps.site, deps);
  app.notFound((c) => answerUnrouted(app, c));
  app.onError((error) => {
    const problem = problemOf(error, deps);
    deps.meters.refusals.add(reasonOf(problem), 'http');
    return answerProblem(problem);
  });
  return app;
}

/** What is forbidden has a reason of its own. */
function reasonOf({ code, details }: Problem): string {
  const { reason } = details;
  return typeof reason === 'string' ? reason : code;
}

/** What holds for all that asks who is there: answers are private, other origins are told what they may read, and nothing begins while draining. */
function guard(app: Hono, deps: HttpDeps, surface: string): void {
  app.use(surface, async (c, next) => {
    await next();
    markPrivate(c.res.headers);
    addRate(c);
  });
  app.use(
    surface,
    tellMethods(app),
    allowCookies(deps.origins),
    cors({ ...corsHeaders, origin: (origin) => (isListed(deps.origins, origin) ? origin : null) }),
  );
  app.use(surface, compressJson(), refuseCrossSite(deps.origins));
  app.use(surface, async (_c, next) => {
    if (deps.draining?.() === true) return answerProblem(refused(unavailable));
    return next();
  });
}

/** Pages of an origin that is listed by its name may send cookies along; `*` names nobody. */
function allowCookies(origins: readonly string[]): MiddlewareHandler {
  return async (c, next) => {
    const origin = c.req.header('Origin');
    if (origin !== undefined && origins.includes(origin) && origin !== '*') {
      c.res.headers.set('Access-Control-Allow-Credentials', 'true');
    }
    await next();
  };
}

/** What code deep down says no to, is no failure. */
function problemOf(error: unknown, deps: HttpDeps): Problem {
  if (error instanceof Problem) return error;
  // Purged since its name was looked up.
  if (isGone(error)) return notFound();
  // A disk in trouble is told like that by whatever writes (stores.md §8); what is wrong with it is the log's.
  if (error instanceof StorageError) {
    deps.onFailure(error);
    return refused(unavailable);
  }
  const isNo = error instanceof RejectedError && isReason(error.code);
  return isNo ? refused(refuse(error.code, error.details)) : conceal(error, deps);
}

function isGone(error: unknown): boolean {
  const isHere = error instanceof HoldfastError && !(error instanceof RejectedError);
  return isHere && error.code === 'unauthorized';
}

/** What failed inside goes to the log; the caller gets the id to find it by (stores.md §8). */
function conceal(error: unknown, deps: HttpDeps): Problem {
  const errorId = deps.newId();
  deps.onFailure(error, { errorId });
  return new Problem(500, 'internal_error', { error_id: errorId });
}

/**
 * Answers differ by token or session: no cache may give one's to another (stores.md §15.1.5), and no page of another origin
 * may have its browser fetch them with a cookie, as a script that it runs, say. Who may read them asks by CORS.
 */
function markPrivate(headers: Headers): void {
  headers.set('Cache-Control', 'private, no-cache');
  headers.append('Vary', 'Authorization, Cookie');
  const embedding = 'Cross-Origin-Resource-Policy';
  if (!headers.has(embedding)) headers.set(embedding, 'same-origin');
}

function harden(headers: Headers): void {
  headers.set('X-Content-Type-Options', 'nosniff');
  if (!headers.has('Referrer-Policy')) headers.set('Referrer-Policy', 'no-referrer');
  if (!headers.has('Content-Security-Policy')) {
    headers.set('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
  }
  if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store');
}
