import {
  containsScope,
  isOpName,
  isRefusal,
  parseGlob,
  type Pattern,
  refuse,
} from '@holdfast/protocol';
import type { Context, Hono } from 'hono';

import type { Principal, Scope } from '../access/index.ts';
import type { StoreRow, WebhookRow } from '../storage/port.ts';
import { PATTERNS_MAX } from '../webhooks/index.ts';
import type { Acts } from './acts.ts';
import { noteAct } from './audit.ts';
import { onlyFields, readObject } from './body.ts';
import type { HttpDeps } from './deps.ts';
import { invalidField, invalidParam, notFound, refused } from './errors.ts';
import { chargeWrite, identify, mayHide, needScope, needValid, readable } from './identify.ts';
import { paramOf, readPattern } from './query.ts';
import { storeOf } from './store-of.ts';
import { writeTime } from './time.ts';

const DELIVERIES_MAX = 100;
const DELIVERIES_DEFAULT = 50;

type Body = { readonly [key: string]: unknown };

/** Webhooks of a store: made, listed, tried, removed (stores.md §15.2, §17). */
export function routeWebhooks(app: Hono, deps: HttpDeps, acts: Acts): void {
  app.get('/api/stores/:org/:store/webhooks', async (c) => {
    const { principal, store } = await enter(c, deps, 'webhooks:read');
    const rows = await deps.webhooks.list(store.id);
    return c.json({
      webhooks: rows.filter((row) => sees({ principal, store, row }, deps)).map(describe),
    });
  });
  app.post('/api/stores/:org/:store/webhooks', (c) => create(c, deps, acts));
  app.delete('/api/stores/:org/:store/webhooks/:id', async (c) => {
    const principal = await identify(deps, c);
    return acts.perform(c, { principal }, async () => {
      const { store, row } = await find(c, deps, 'webhooks:write');
      await deps.webhooks.remove(row.id);
      await noteAct(deps, principal, { act: 'webhook.removed', store, target: row.id });
      return c.json({ ok: true });
    });
  });
  app.post('/api/stores/:org/:store/webhooks/:id/ping', async (c) => {
    const { principal, row, store } = await find(c, deps, 'webhooks:write');
    chargeWrite(deps, c, principal);
    const { statusCode, responseMs, error } = await deps.webhooks.ping(row, store);
    if (error === null && row.inactiveReason !== null) {
      await noteAct(deps, principal, { act: 'webhook.reactivated', store, target: row.id });
    }
    const told = { status_code: statusCode, response_ms: responseMs };
    return error === null
      ? c.json({ ok: true, ...told })
      : c.json({ ok: false, error, ...told }, 502);
  });
  app.post('/api/stores/:org/:store/webhooks/:id/replay', (c) => replay(c, deps, acts));
  app.get('/api/stores/:org/:store/webhooks/:id/deliveries', async (c) => {
    const { row } = await find(c, deps, 'webhooks:read');
    const deliveries = await deps.webhooks.deliveries(row.id, limitOf(c));
    return c.json({
      deliveries: deliveries.map(({ id, seq, statusCode, responseMs, error, at }) => ({
        id,
        store_seq: seq,
        status_code: statusCode,
        response_ms: responseMs,
        error,
        attempted_at: writeTime(at),
      })),
    });
  });
}

type Entered = { readonly principal: Principal; readonly store: StoreRow };

async function enter(c: Context, deps: HttpDeps, scope: Scope): Promise<Entered> {
  const principal = await identify(deps, c);
  const store = await storeOf(deps, c, principal);
  needScope(principal, scope);
  return { principal, store };
}

async function find(
  c: Context,
  deps: HttpDeps,
  scope: Scope,
): Promise<Entered & { readonly row: WebhookRow }> {
  const { principal, store } = await enter(c, deps, scope);
  const rows = await deps.webhooks.list(store.id);
  const row = rows.find(({ id }) => id === c.req.param('id'));
  if (row === undefined || !sees({ principal, store, row }, deps)) throw notFound();
  return { principal, store, row };
}

async function create(c: Context, deps: HttpDeps, acts: Acts): Promise<Response> {
  const { principal, store } = await enter(c, deps, 'webhooks:write');
  const body = await readObject(c, deps, principal);
  return acts.perform(c, { principal, body, isSecret: true }, async () => {
    if (store.status === 'archived') throw refused(refuse('store_archived'));
    onlyFields(body, 'NewWebhook', invalidField);
    const row = await deps.webhooks.create(store, {
      url: readUrl(body, deps),
      patterns: readPatterns(body, { principal, store, deps }),
      ops: readOps(body),
    });
    if (row === null) throw tooMany(deps.limits.max_webhooks);
    const details = { host: new URL(row.url).host };
    await noteAct(deps, principal, { act: 'webhook.created', store, target: row.id, details });
    return c.json({ ...describe(row), secret: row.secret }, 201);
  });
}

/** Delivers again what it has passed; what lies ahead of it comes anyway. */
async function replay(c: Context, deps: HttpDeps, acts: Acts): Promise<Response> {
  const { principal, store, row } = await find(c, deps, 'webhooks:write');
  // It may reach back to before the webhook was made: that is history.
  needScope(principal, 'audit:read');
  const body = await readObject(c, deps, principal);
  onlyFields(body, 'Replay', invalidField);
  const { after_seq: after } = body;
  if (
    typeof after !== 'number' ||
    !Number.isSafeInteger(after) ||
    after < 0 ||
    after > row.cursor
  ) {
    throw invalidField('after_seq', `after_seq is a seq from 0 to ${row.cursor}, where it is now.`);
  }
  return acts.perform(c, { principal, body }, async () => {
    const judge = (): Promise<void> => needValid(deps, c, principal);
    if (!(await deps.webhooks.replay(row.id, store, { after, judge }))) throw notFound();
    const details = { after_seq: after };
    await noteAct(deps, principal, { act: 'webhook.replayed', store, target: row.id, details });
    return c.json({ ok: true, after_seq: after });
  });
}

function tooMany(limit: number): ReturnType<typeof refused> {
  return refused(refuse('limit_exceeded', { dimension: 'webhooks', current: limit, limit }));
}

function readUrl({ url }: Body, { webhooks }: HttpDeps): string {
  if (typeof url !== 'string') throw invalidField('url', 'url is a text.');
  const fault = webhooks.faultInUrl(url);
  if (fault !== null) throw invalidField('url', fault);
  return new URL(url).href;
}

/** Each must lie within what its creator may read (stores.md §11.2.5). */
function readPatterns(
  { patterns: given }: Body,
  { principal, store, deps }: Entered & { readonly deps: HttpDeps },
): readonly string[] {
  const texts = given ?? ['**'];
  if (!isTexts(texts) || texts.length === 0) {
    throw invalidField('patterns', 'patterns is a list of one or more patterns.');
  }
  if (texts.length > PATTERNS_MAX) {
    throw refused(refuse('too_many_patterns', { limit: PATTERNS_MAX }));
  }
  for (const text of texts) {
    if (isWithin({ principal, store }, deps, readPattern(text, deps.limits))) continue;
    const message = 'Each pattern must lie within what you may read; without any, all is meant.';
    throw refused(refuse('path_not_allowed', { path: text, message }));
  }
  return texts;
}

function readOps({ ops = null }: Body): readonly string[] | null {
  if (ops === null) return null;
  if (isTexts(ops) && ops.length > 0 && ops.every(isOpName)) return ops;
  throw invalidField('ops', 'ops is a list of names of ops.');
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isWithin({ principal, store: row }: Entered, deps: HttpDeps, pattern: Pattern): boolean {
  const scope = readable(principal);
  // What follows from values is not known beforehand.
  if (mayHide(deps, { principal, row, pattern })) return false;
  return scope.isWhole || scope.patterns.some((own) => containsScope(own, pattern));
}

/** Patterns name paths: a webhook is seen by those who may read them all. */
function sees(
  { row, ...entered }: Entered & { readonly row: WebhookRow },
  deps: HttpDeps,
): boolean {
  return row.patterns.every((text) => {
    const pattern = parseGlob(text, deps.limits);
    return !isRefusal(pattern) && isWithin(entered, deps, pattern);
  });
}

function describe(row: WebhookRow): object {
  return {
    id: row.id,
    url: row.url,
    patterns: row.patterns,
    ops: row.ops,
    active: row.inactiveReason === null,
    failure_count: row.failures,
    last_delivered_seq: row.cursor,
    inactive_reason: row.inactiveReason,
    next_attempt_at: row.retryAt === null ? null : writeTime(row.retryAt),
    inserted_at: writeTime(row.insertedAt),
  };
}

function limitOf(c: Context): number {
  const text = paramOf(c, 'limit') ?? String(DELIVERIES_DEFAULT);
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= DELIVERIES_MAX) return limit;
  throw invalidParam(`limit is an integer from 1 to ${DELIVERIES_MAX}.`);
}
