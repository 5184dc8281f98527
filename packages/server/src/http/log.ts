import type { LoggedOp } from '@holdfast/engine/authority';
import { type Scope, typeOfOp } from '@holdfast/engine/data';
import {
  isOpName,
  type Limits,
  matches,
  type Pattern,
  segmentsOf,
  type Seq,
} from '@holdfast/protocol';
import type { Context, Hono } from 'hono';

import type { Look } from '../access/index.ts';
import { answerJson } from './answer-json.ts';
import type { HttpDeps, OpenStore } from './deps.ts';
import { invalidParam } from './errors.ts';
import { identify, needScope, readable, readableIn } from './identify.ts';
import { seqOf } from './past.ts';
import { queryOf, readPattern } from './query.ts';
import { storeOf } from './store-of.ts';
import { readTime, writeTime } from './time.ts';
import { openFor } from './open-for.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1000;
const parameters = new Set([
  'path',
  'device_id',
  'op',
  'since',
  'until',
  'page',
  'limit',
  'before_seq',
]);

/** Which ops of the log, newest first (stores.md §13.2.1). */
type Filter = {
  readonly scope: Scope;
  readonly pattern: Pattern | null;
  readonly deviceId: string | null;
  readonly op: string | null;
  readonly since: number;
  readonly until: number;
};

type Paging =
  | { readonly kind: 'page'; readonly page: number; readonly limit: number }
  | { readonly kind: 'before'; readonly seq: Seq; readonly limit: number };

/** `GET …/log`: what happened, newest first. */
export function routeLog(app: Hono, deps: HttpDeps): void {
  app.get('/api/stores/:org/:store/log', async (c) => {
    const principal = await identify(deps, c);
    const row = await storeOf(deps, c, principal);
    needScope(principal, 'audit:read');
    const paging = readPaging(c);
    readFilter(c, readable(principal), deps.limits);
    return openFor(c, { deps, principal, row }, (store) =>
      deps.rates.looking(principal, row.id, async (look) => {
        const filter = readFilter(c, readableIn(deps, principal, store), deps.limits);
        const log = { store, look, filter };
        const page = paging.kind === 'page' ? await pageOf(log, paging) : await before(log, paging);
        return answerJson(c, page, { deps, principal, row });
      }),
    );
  });
}

/** The log of a store as somebody looks through it. */
type Log = { readonly store: OpenStore; readonly look: Look; readonly filter: Filter };

async function before(
  { store, look, filter }: Log,
  { seq, limit }: Omit<Extract<Paging, { kind: 'before' }>, 'kind'>,
): Promise<{ readonly ops: readonly object[] }> {
  const ops: object[] = [];
  const from = Math.min(seq - 1, store.standing().head);
  for await (const op of store.tellBackwards({ scope: filter.scope, from }, look)) {
    const seen = show(op, filter);
    if (seen !== null) ops.push(seen);
    if (ops.length === limit) break;
  }
  return { ops };
}

async function pageOf(
  log: Log,
  { page, limit }: Extract<Paging, { kind: 'page' }>,
): Promise<object> {
  const skipped = (page - 1) * limit;
  const { ops, total } = isWhole(log.filter)
    ? await cutOut(log, { skipped, limit })
    : await pickOut(log, { skipped, limit });
  const pagination = { page, limit, total, total_pages: Math.ceil(total / limit) };
  return { ops, pagination };
}

type Page = { readonly ops: readonly object[]; readonly total: number };
type Cut = { readonly skipped: number; readonly limit: number };

/** Where each op is shown, their seqs tell how many there are, and where a page of them begins. */
async function cutOut(log: Log, { skipped, limit }: Cut): Promise<Page> {
  const { head, oldestSeq } = log.store.standing();
  const seq = head - skipped + 1;
  const { ops } = await before(log, { seq, limit });
  return { ops, total: head - oldestSeq + 1 };
}

async function pickOut({ store, look, filter }: Log, { skipped, limit }: Cut): Promise<Page> {
  const ops: object[] = [];
  let total = 0;
  const shown = { scope: filter.scope, from: store.standing().head };
  for await (const op of store.tellBackwards(shown, look)) {
    const seen = show(op, filter);
    if (seen === null) continue;
    if (total >= skipped && ops.length < limit) ops.push(seen);
    total += 1;
  }
  return { ops, total };
}

/** Whether it leaves nothing out. */
function isWhole({ scope, pattern, deviceId, op, since, until }: Filter): boolean {
  const isNamed = pattern !== null || deviceId !== null || op !== null;
  return scope.isWhole && !isNamed && since === -Infinity && until === Infinity;
}

/** What is shown of an op; null where the filter leaves it out. By what is seen of it: the name of an op tells of what rules hide. */
function show(op: LoggedOp, { pattern, deviceId, op: name, since, until }: Filter): object | null {
  if (op.at < since || op.at > until) return null;
  if (deviceId !== null && op.deviceId !== deviceId) return null;
  if (name !== null && op.op !== name) return null;
  if (pattern !== null && !matches(pattern, segmentsOf(op.path))) return null;
  return describe(op);
}

function describe(op: LoggedOp): object {
  return {
    store_seq: op.seq,
    op: op.op,
    path: op.path,
    value: op.value,
    arg: op.arg,
    type: typeOfOp(op.op, op.value),
    device_id: op.deviceId,
    client_op_id: op.clientOpId,
    tx: op.tx,
    inserted_at: writeTime(op.at),
  };
}

function readFilter(c: Context, scope: Scope, limits: Limits): Filter {
  const asked = queryOf(c, parameters);
  const { path, device_id: deviceId = null, op = null } = asked;
  if (op !== null && !isOpName(op)) throw invalidParam('op is the name of an op.');
  return {
    scope,
    pattern: path === undefined ? null : readPattern(path, limits),
    deviceId,
    op,
    since: readInstant(asked['since'], 'since') ?? -Infinity,
    until: readInstant(asked['until'], 'until') ?? Infinity,
  };
}

function readInstant(text: string | undefined, name: string): number | null {
  if (text === undefined) return null;
  const at = readTime(text);
  if (at === null) throw invalidParam(`${name} must be an instant such as 2026-01-31T12:00:00Z.`);
  return at;
}

function readPaging(c: Context): Paging {
  const { page, before_seq: beforeSeq, limit: asked } = c.req.query();
  const limit = readCount(asked, { name: 'limit', otherwise: LIMIT_DEFAULT, most: LIMIT_MAX });
  if (beforeSeq === undefined) {
    const most = Math.floor(Number.MAX_SAFE_INTEGER / LIMIT_MAX);
    return { kind: 'page', page: readCount(page, { name: 'page', otherwise: 1, most }), limit };
  }
  if (page !== undefined) throw invalidParam('Give page or before_seq, not both.');
  return { kind: 'before', seq: seqOf(beforeSeq, 'before_seq'), limit };
}

function readCount(
  text: string | undefined,
  {
    name,
    otherwise,
    most,
  }: { readonly name: string; readonly otherwise: number; readonly most: number },
): number {
  if (text === undefined) return otherwise;
  const count = /^\d{1,13}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= most) return count;
  throw invalidParam(`${name} must be an integer from 1 to ${most}.`);
}
