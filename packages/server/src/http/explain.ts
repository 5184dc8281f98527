import { isRefusal } from '@holdfast/protocol';
import type { Hono } from 'hono';

import { explain, readAsked } from '../access/index.ts';
import type { HttpDeps } from './deps.ts';
import { pathOf } from './entry-path.ts';
import { refused } from './errors.ts';
import { identify } from './identify.ts';
import { paramOf } from './query.ts';
import { storeOf } from './store-of.ts';
import { openFor } from './open-for.ts';

/** `GET …/explain`: why who asks does or does not see or write a path. It needs no scope: it tells them of themselves. */
export function routeExplain(app: Hono, deps: HttpDeps): void {
  app.get('/api/stores/:org/:store/explain', async (c) => {
    const principal = await identify(deps, c);
    const row = await storeOf(deps, c, principal);
    const path = pathOf(c, 'explain', deps.limits);
    const op = readAsked(paramOf(c, 'op'));
    if (isRefusal(op)) throw refused(op);
    const keysQuota = deps.quotas?.keys ?? null;
    return openFor(c, { deps, principal, row }, (store) => {
      const { tree } = store.view();
      const veil = deps.veilOf?.(principal, store) ?? null;
      const sight = { row, tree, keysQuota, now: deps.now(), veil };
      return c.json(explain(principal, sight, { path, op }));
    });
  });
}
