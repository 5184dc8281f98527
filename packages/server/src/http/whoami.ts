import type { Hono } from 'hono';

import { type Principal, storeIdsOf } from '../access/index.ts';
import type { HttpDeps } from './deps.ts';
import { identify } from './identify.ts';
import { writeTime } from './time.ts';

/** `GET /api/whoami`: tells a client whose upgrade was refused whether its token is to blame (stores.md §15.4). */
export function routeWhoami(app: Hono, deps: HttpDeps): void {
  app.get('/api/whoami', async (c) => {
    const principal = await identify(deps, c);
    return c.json({
      subject: principal.subject,
      org: principal.orgs[0] ?? null,
      ...describeGrants(principal),
      path_rules: principal.pathRules ?? null,
      expires_at: writeTime(principal.expiresAt),
    });
  });
}

/** What a principal may do, as joins tell it too (stores.md §7.4.4). */
export function describeGrants({ scopes, storeAccess }: Principal): {
  readonly scopes: readonly string[];
  readonly store_access: { readonly mode: string; readonly store_ids: readonly string[] };
} {
  return {
    scopes: [...scopes].toSorted(),
    store_access: { mode: storeAccess.mode, store_ids: storeIdsOf(storeAccess) },
  };
}
