import { forbidden } from '@holdfast/engine/data';
import { type EpochMs, parseStoreName, refuse, type StoreName } from '@holdfast/protocol';
import type { Hono } from 'hono';

import { grantsOf, mayUseStore, type Principal } from '../access/index.ts';
import type { NewStore, StoreRow } from '../storage/port.ts';
import type { Acts } from './acts.ts';
import { noteAct } from './audit.ts';
import { onlyFields, readObject } from './body.ts';
import type { HttpDeps, StoreFigures } from './deps.ts';
import { invalidField, Problem, refused } from './errors.ts';
import { flagOf, queryOf } from './query.ts';
import { identify, needScope } from './identify.ts';
import { storeOf } from './store-of.ts';
import { turn } from './turns.ts';
import { readTime, writeTime } from './time.ts';
import { describeGrants } from './whoami.ts';

const PAGE = 500;
const TTL_MS_MAX = 100 * 365 * 86_400_000;

/** Stores: list, create, look at, archive, purge (stores.md §15.2). */
export function routeStores(app: Hono, deps: HttpDeps, acts: Acts): void {
  app.get('/api/stores', async (c) => {
    const principal = await identify(deps, c);
    needScope(principal, 'stores:read');
    const now = deps.now();
    const stores: string[] = [];
    for await (const rows of storesOf(deps, principal)) {
      for (const row of rows) stores.push(JSON.stringify(describeStore(row, now)));
    }
    const org = JSON.stringify(principal.orgs[0] ?? null);
    const type = { 'Content-Type': 'application/json' };
    return c.body(`{"org":${org},"stores":[${stores.join(',')}]}`, 200, type);
  });
  app.post('/api/stores', async (c) => {
    const principal = await identify(deps, c);
    needScope(principal, 'stores:create');
    const body = await readObject(c, deps, principal);
    onlyFields(body, 'NewStore', invalidField);
    return acts.perform(c, { principal, body }, async () => {
      const wanted = readStore(body, { principal, now: deps.now() });
      const row = await deps.storage.stores.create(newStore(deps, wanted));
      if (row === null) throw await refusedStore(deps, wanted.name);
      await noteAct(deps, principal, { act: 'store.created', store: row });
      return c.json({ store: describeStore(row, deps.now()) }, 201);
    });
  });
  app.get('/api/stores/:org/:store', async (c) => {
    const principal = await identify(deps, c);
    const row = await storeOf(deps, c, principal);
    needScope(principal, 'stores:read');
    const status = await deps.rates.looking(principal, row.id, (looker) =>
      deps.statusOf(row.id, { principal, looker }),
    );
    const figures = readable(status, principal);
    return c.json({
      ...figures,
      ...describeStore(row, deps.now()),
      ...describeGrants(principal),
      permissions: permissionsOf(principal.scopes),
    });
  });
  app.delete('/api/stores/:org/:store', async (c) => {
    const principal = await identify(deps, c);
    return acts.perform(c, { principal }, async () => {
      const row = await storeOf(deps, c, principal);
      needScope(principal, 'stores:delete');
      // It takes all leaves with it, also those that rules keep from whoever asks.
      if (!grantsOf(principal.pathRules ?? null).write.isWhole) throw refused(forbidden(null));
      const isPurge = flagOf('purge', queryOf(c, new Set(['purge']))['purge']);
      await deps.storage.stores.archive(row.id);
      await deps.onStoreArchived(row.id);
      if (isPurge) {
        await deps.storage.stores.purge(row.id);
        await deps.onStorePurged(row.id);
      }
      const act = isPurge ? 'store.purged' : 'store.archived';
      await noteAct(deps, principal, { act, store: row });
      return c.json({ ok: true });
    });
  });
}

/** A store to be made, within the quota (stores.md §12.3). */
export function newStore(
  { newId, newIncarnation, storesMax }: HttpDeps,
  wanted: { readonly name: StoreName; readonly expiresAt: EpochMs | null },
): NewStore {
  return {
    id: newId(),
    incarnation: newIncarnation(),
    ...wanted,
    ...(storesMax !== undefined && { most: storesMax }),
  };
}

/** Why a store of this name was not made. */
export async function refusedStore(deps: HttpDeps, name: StoreName): Promise<Problem> {
  const { storage, storesMax } = deps;
  const isTaken = (await storage.stores.find(name)) !== null;
  if (isTaken || storesMax === undefined) return new Problem(422, 'name_taken');
  let current = 0;
  const org = name.slice(0, name.indexOf('/'));
  for await (const { length } of storesIn(deps, org)) current += length;
  return refused(refuse('limit_exceeded', { dimension: 'stores', current, limit: storesMax }));
}

/** Reading and writing of entries, as older clients ask for it (stores.md §7.4.4). */
export function permissionsOf(scopes: ReadonlySet<string>): {
  readonly read: boolean;
  readonly write: boolean;
} {
  return { read: scopes.has('entries:read'), write: scopes.has('entries:write') };
}

/** The stores that a principal may see, in pages: others have a turn between two of them. */
async function* storesOf(
  deps: HttpDeps,
  principal: Principal,
): AsyncGenerator<readonly StoreRow[]> {
  const { storeAccess } = principal;
  if (storeAccess.mode === 'selected') {
    const rows = await Promise.all(storeAccess.storeIds.map((id) => deps.storage.stores.get(id)));
    yield rows
      .flatMap((row) => (row !== null && mayUseStore(principal, row) ? [row] : []))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return;
  }
  for (const org of principal.orgs) yield* storesIn(deps, org);
}

async function* storesIn(deps: HttpDeps, org: string): AsyncGenerator<readonly StoreRow[]> {
  let page = await deps.storage.stores.list({ org, limit: PAGE });
  yield page;
  for (let last = page.at(-1); last !== undefined && page.length === PAGE; last = page.at(-1)) {
    await turn();
    page = await deps.storage.stores.list({ org, after: last.name, limit: PAGE });
    yield page;
  }
}

function describeStore(row: StoreRow, now: EpochMs): object {
  const expired = row.expiresAt !== null && row.expiresAt <= now;
  return {
    id: row.id,
    name: row.name.slice(row.name.indexOf('/') + 1),
    full_name: row.name,
    status: expired ? 'archived' : row.status,
    inserted_at: writeTime(row.insertedAt),
    expires_at: writeTime(row.expiresAt),
    incarnation: row.incarnation,
  };
}

const nothing: Partial<StoreFigures> = {
  entry_count: 0,
  op_count: 0,
  file_storage_bytes: 0,
  db_size_bytes: 0,
  recent_ops: [],
};

/** The figures as far as the principal may read: who reads no entries learns nothing of them (stores.md §7.5). */
function readable(figures: StoreFigures, principal: Principal): StoreFigures {
  return principal.scopes.has('entries:read') ? figures : { ...figures, ...nothing };
}

type WantedStore = { readonly name: StoreName; readonly expiresAt: EpochMs | null };

function readStore(
  body: { readonly [key: string]: unknown },
  { principal, now }: { readonly principal: Principal; readonly now: EpochMs },
): WantedStore {
  return {
    name: readName(body['name'], principal),
    expiresAt: readExpiry(body['ttl_ms'] ?? null, body['expires_at'] ?? null, now),
  };
}

/** `name` in the principal's one org, or `org/name` in one of its orgs. */
function readName(name: unknown, { orgs }: Principal): StoreName {
  if (typeof name !== 'string') throw invalidStore('name must be a string.');
  const [org, ...others] = orgs;
  if (!name.includes('/') && others.length > 0) {
    throw invalidStore('Say org/name: you have several orgs.');
  }
  const full = parseStoreName(name.includes('/') ? name : `${org ?? ''}/${name}`);
  if (full === null || !orgs.some((own) => full.startsWith(`${own}/`))) {
    throw invalidStore(
      'A name is 1 to 128 of a-z, 0-9, dot, underscore and hyphen, begins with a letter or digit, and lies in your org.',
    );
  }
  return full;
}

function readExpiry(ttlMs: unknown, expiresAt: unknown, now: EpochMs): EpochMs | null {
  if (ttlMs === null && expiresAt === null) return null;
  if (ttlMs !== null && expiresAt !== null) {
    throw invalidStore('Give ttl_ms or expires_at, not both.');
  }
  const at = ttlMs === null ? readTime(expiresAt) : now + readTtl(ttlMs);
  if (at === null || at <= now) {
    throw invalidStore('expires_at must be an instant of RFC 3339 to come.');
  }
  return at;
}

function readTtl(ttlMs: unknown): number {
  if (typeof ttlMs === 'number' && Number.isInteger(ttlMs) && ttlMs > 0 && ttlMs <= TTL_MS_MAX) {
    return ttlMs;
  }
  throw invalidStore(`ttl_ms must be an integer from 1 to ${TTL_MS_MAX}.`);
}

/** The store that is asked for cannot be. */
export function invalidStore(detail: string): Problem {
  return new Problem(422, 'invalid_store', { detail });
}
