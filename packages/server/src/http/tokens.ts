import { refuse } from '@holdfast/protocol';
import type { Hono } from 'hono';

import {
  handedOn,
  outlives,
  type Principal,
  refuseDelegation,
  seesToken,
} from '../access/index.ts';
import type { TokenRow } from '../storage/port.ts';
import type { Acts } from './acts.ts';
import { noteAct } from './audit.ts';
import { readObject } from './body.ts';
import type { HttpDeps } from './deps.ts';
import { notFound, Problem, refused } from './errors.ts';
import { identify, needScope } from './identify.ts';
import { permissionsOf } from './stores.ts';
import { writeTime } from './time.ts';
import { readTokenRequest, type WantedToken } from './token-request.ts';
import { turn } from './turns.ts';

const PAGE = 500;

/** Tokens: list, create, revoke, within what the bearer has itself (stores.md §11.1.6, §15.2). */
export function routeTokens(app: Hono, deps: HttpDeps, acts: Acts): void {
  app.get('/api/tokens', async (c) => {
    const bearer = await identify(deps, c);
    needScope(bearer, 'tokens:read');
    const lists = await Promise.all(bearer.orgs.map((org) => deps.tokens.list(org)));
    const rows = lists.flat().filter((row) => seesToken(bearer, row));
    const nameOf = storeNames(deps);
    const tokens: string[] = [];
    for (const row of rows) {
      // oxlint-disable-next-line no-await-in-loop -- others want their turn
      if (tokens.length % PAGE === PAGE - 1) await turn();
      // oxlint-disable-next-line no-await-in-loop -- names are looked up once
      tokens.push(JSON.stringify(await describeToken(row, nameOf)));
    }
    return c.body(`{"tokens":[${tokens.join(',')}]}`, 200, { 'Content-Type': 'application/json' });
  });
  app.post('/api/tokens', async (c) => {
    const bearer = await identify(deps, c);
    needScope(bearer, 'tokens:write');
    const body = await readObject(c, deps, bearer);
    return acts.perform(c, { principal: bearer, body, isSecret: true }, async () => {
      const wanted = await readTokenRequest(body, { bearer, deps });
      judge(bearer, wanted);
      await judgeService(bearer, wanted, deps);
      const { row, rawToken } = await deps.tokens.issue({
        ...wanted,
        ...handedOn(bearer),
        createdBy: bearer.subject,
      });
      const { id, org, name } = row;
      await noteAct(deps, bearer, { act: 'token.issued', org, target: id, details: { name } });
      const described = await describeToken(row, storeNames(deps));
      return c.json({ ...described, raw_token: rawToken }, 201);
    });
  });
  app.delete('/api/tokens/:id', async (c) => {
    const bearer = await identify(deps, c);
    needScope(bearer, 'tokens:write');
    return acts.perform(c, { principal: bearer }, async () => {
      const row = await deps.tokens.get(c.req.param('id'));
      if (row === null || !seesToken(bearer, row)) throw notFound();
      await deps.tokens.revoke(row.id);
      await deps.onTokenRevoked(row.id);
      const { id, org, name } = row;
      await noteAct(deps, bearer, { act: 'token.revoked', org, target: id, details: { name } });
      return c.json({ ok: true });
    });
  });
}

function judge(bearer: Principal, wanted: Parameters<typeof refuseDelegation>[1]): void {
  const refusal = refuseDelegation(bearer, wanted);
  if (refusal !== null) throw refused(refusal);
  if (outlives(bearer, wanted)) {
    const message = 'A token may not live longer than the token that creates it.';
    throw new Problem(403, 'forbidden', { reason: 'expiry_not_allowed', message });
  }
}

/** A token without path rules is a service, from which records hide nothing (records.md §17): who is no service makes none where they bind. */
async function judgeService(
  bearer: Principal,
  { pathRules, storeAccess }: WantedToken,
  { records, storage }: HttpDeps,
): Promise<void> {
  if (pathRules !== null || records?.binds(bearer, null) !== true) return;
  const ids = storeAccess.mode === 'all' ? [] : storeAccess.storeIds;
  const rows = await Promise.all(ids.map((id) => storage.stores.get(id)));
  const isFree =
    storeAccess.mode === 'selected' &&
    rows.every((row) => row === null || !records.binds(bearer, row.name));
  if (isFree) return;
  const message =
    'Records hide something from you, or keep fields from you, which they would not from a token without path_rules. Give it some, such as {"pattern": "**", "allow": ["read", "write"]}.';
  throw refused(refuse('path_not_allowed', { message }));
}

type NameOf = (storeId: string) => Promise<string | null>;

/** Names of stores by id, each looked up once. */
function storeNames(deps: HttpDeps): NameOf {
  const known = new Map<string, Promise<string | null>>();
  return (id) => {
    const name = known.get(id) ?? deps.storage.stores.get(id).then((row) => row?.name ?? null);
    known.set(id, name);
    return name;
  };
}

async function describeToken(row: TokenRow, nameOf: NameOf): Promise<object> {
  const stores = await selectedStores(row, nameOf);
  return {
    id: row.id,
    name: row.name,
    store_name:
      row.storeAccess.mode === 'all' ? '*' : stores.map((store) => store.full_name).join(', '),
    store_access_mode: row.storeAccess.mode,
    stores,
    scopes: row.scopes,
    permissions: permissionsOf(new Set(row.scopes)),
    path_rules: row.pathRules,
    expires_at: writeTime(row.expiresAt),
    last_used_at: writeTime(row.lastUsedAt),
    inserted_at: writeTime(row.insertedAt),
  };
}

type NamedStore = { readonly id: string; readonly name: string; readonly full_name: string };

/** The stores that a token names and that are there still. */
async function selectedStores(row: TokenRow, nameOf: NameOf): Promise<readonly NamedStore[]> {
  const ids = row.storeAccess.mode === 'all' ? [] : row.storeAccess.storeIds;
  const names = await Promise.all(ids.map(nameOf));
  return ids.flatMap((id, index) => {
    const full = names[index] ?? null;
    return full === null ? [] : [{ id, name: full.slice(full.indexOf('/') + 1), full_name: full }];
  });
}
