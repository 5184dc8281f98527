import { asPath, asStoreName, parseStoreName, refuse } from '@holdfast/protocol';
import type { Context, Hono } from 'hono';

import { type Act, mayUseStore, orgOf, type Principal } from '../access/index.ts';
import type { AuditRow, StoreRow } from '../storage/port.ts';
import type { HttpDeps } from './deps.ts';
import { invalidParam, notFound, refused } from './errors.ts';
import { identify, needScope } from './identify.ts';
import { queryOf } from './query.ts';
import { writeTime } from './time.ts';
import { turn } from './turns.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1000;
const PAGE = 1000;
const parameters = new Set(['org', 'act', 'store', 'actor', 'before', 'limit']);

/** Notes what a principal did to a store, or in its org. */
export async function noteAct(
  { audit }: Pick<HttpDeps, 'audit'>,
  { subject }: Principal,
  act: Pick<Act, 'act' | 'target' | 'details'> &
    ({ readonly store: StoreRow } | { readonly org: string }),
): Promise<void> {
  const org = 'store' in act ? orgOf(act.store.name) : act.org;
  await audit.note({ ...act, org, actor: subject });
}

/**
 * `GET /api/audit`: what administrators did, newest first. Who may use some stores only hears of those; who may not list
 * tokens hears of none; and who has path rules, of nothing, for acts name paths.
 */
export function routeAudit(app: Hono, deps: HttpDeps): void {
  app.get('/api/audit', async (c) => {
    const principal = await identify(deps, c);
    needScope(principal, 'audit:read');
    if ((principal.pathRules ?? null) !== null) {
      const message = 'Administrative acts name paths; this token may not read all.';
      throw refused(refuse('path_not_allowed', { message }));
    }
    const { org, limit, before, fits } = readQuery(c, principal);
    const rows: AuditRow[] = [];
    for await (const row of acts(deps, org, before)) {
      if (!fits(row) || !mayHear(principal, row)) continue;
      rows.push(row);
      if (rows.length > limit) break;
    }
    const shown = rows.slice(0, limit);
    const next = rows.length > limit ? (shown.at(-1)?.number ?? null) : null;
    const told = shown.map((row) => (hidesTarget(deps, principal, row) ? untold(row) : row));
    return c.json({ acts: told.map(describe), next_before: next });
  });
}

async function* acts(
  { audit }: Pick<HttpDeps, 'audit'>,
  org: string,
  before: number,
): AsyncGenerator<AuditRow, void, undefined> {
  for (let from = before; ;) {
    // oxlint-disable-next-line no-await-in-loop -- each page begins where the one before ended
    const rows = await audit.list({ org, before: from, limit: PAGE });
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    from = last.number;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    await turn();
  }
}

function mayHear(principal: Principal, { store, act }: AuditRow): boolean {
  if (act.startsWith('token.')) return principal.scopes.has('tokens:read') && usesAll(principal);
  return store === null
    ? usesAll(principal)
    : mayUseStore(principal, { id: store.id, name: asStoreName(store.name) });
}

function usesAll({ storeAccess }: Principal): boolean {
  return storeAccess.mode === 'all';
}

/** What was done at paths; the targets of other acts have ids. */
const atPaths = new Set(['store.rolled_back', 'entry.force_deleted']);

/** Whether records may hide what was done something to: who may not see an object is not to hear of it here (records.md §17). */
function hidesTarget(
  deps: Pick<HttpDeps, 'veilOf'>,
  principal: Principal,
  { act, store, target }: AuditRow,
): boolean {
  if (store === null || target === null || !atPaths.has(act)) return false;
  // Where objects are, no value tells.
  const looked = { row: { name: asStoreName(store.name) }, valueAt: () => undefined };
  return deps.veilOf?.(principal, looked)?.concerns(asPath(target)) ?? false;
}

function untold(row: AuditRow): AuditRow {
  return { ...row, target: null };
}

type Query = {
  readonly org: string;
  readonly limit: number;
  readonly before: number;
  readonly fits: (row: AuditRow) => boolean;
};

function readQuery(c: Context, { orgs }: Principal): Query {
  const asked = queryOf(c, parameters);
  const { act, store, actor } = asked;
  if (store !== undefined && parseStoreName(store) === null) {
    throw invalidParam('store must be the name of a store, org/name.');
  }
  // What was done to a store is told in its org, which need not be the first.
  const org = asked['org'] ?? (store === undefined ? orgs[0] : orgOf(store));
  if (org === undefined || !orgs.includes(org)) throw notFound();
  return {
    org,
    limit: readCount(asked['limit'] ?? String(LIMIT_DEFAULT), 'limit', LIMIT_MAX),
    before: readCount(asked['before'] ?? String(Number.MAX_SAFE_INTEGER), 'before', Infinity),
    fits: (row) =>
      (act === undefined || row.act === act) &&
      (store === undefined || row.store?.name === store) &&
      (actor === undefined || row.actor === actor),
  };
}

function readCount(text: string, name: string, most: number): number {
  const count = /^\d{1,16}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= most && Number.isSafeInteger(count)) return count;
  throw invalidParam(
    `${name} must be a positive integer${most < Infinity ? `, at most ${most}` : ''}.`,
  );
}

function describe(row: AuditRow): object {
  return {
    id: row.number,
    at: writeTime(row.at),
    act: row.act,
    actor: row.actor,
    store: row.store?.name ?? null,
    store_id: row.store?.id ?? null,
    target: row.target,
    details: row.details,
  };
}
