import type { RollbackRequest } from '@holdfast/engine/data';
import { isRefusal, readRollback, type Refusal } from '@holdfast/protocol';
import type { Context, Hono } from 'hono';

import type { Principal } from '../access/index.ts';
import type { StoreRow } from '../storage/port.ts';
import { noteAct } from './audit.ts';
import { readObject } from './body.ts';
import { type Committer, markReplay } from './commit.ts';
import type { HttpDeps, OpenStore } from './deps.ts';
import { invalidParam, Problem } from './errors.ts';
import { identify, needScope, readableIn } from './identify.ts';
import { seqOf } from './past.ts';
import { storeOf } from './store-of.ts';

/** What was, what differs, and the way back (stores.md §13). */
export function routeHistory(app: Hono, deps: HttpDeps, committer: Committer): void {
  app.get('/api/stores/:org/:store/diff', (c) => diff(c, deps));
  app.post('/api/stores/:org/:store/rollback', async (c) => {
    const principal = await identify(deps, c);
    const row = await storeOf(deps, c, principal);
    needScope(principal, 'entries:write');
    const body = await readObject(c.req.raw, deps.limits.max_json_body);
    const outcome = await deps.withStore(row.id, async (store) => {
      const request = await rollbackOf(body, { store, deps });
      const same = {
        op: 'rollback',
        path: body['path'] ?? body['path_segments'],
        value: body['to_seq'],
      };
      return committer.commit(c, store, { principal, request, same });
    });
    markReplay(c, outcome);
    if (!outcome.replayed) await noteRollback(deps, principal, { store: row, body });
    return c.json(outcome.reply);
  });
}

function noteRollback(
  deps: HttpDeps,
  principal: Principal,
  { store, body }: { store: StoreRow; body: { readonly [field: string]: unknown } },
): Promise<void> {
  const details = { to_seq: Number(body['to_seq']) };
  const { path } = body;
  const target = typeof path === 'string' ? path : null;
  return noteAct(deps, principal, { act: 'store.rolled_back', store, target, details });
}

async function diff(c: Context, deps: HttpDeps): Promise<Response> {
  const principal = await identify(deps, c);
  const row = await storeOf(deps, c, principal);
  needScope(principal, 'entries:read');
  const from = seqOf(c.req.query('from_seq'), 'from_seq');
  const until = c.req.query('to_seq');
  return deps.withStore(row.id, async (store) => {
    const scope = readableIn(deps, principal, store);
    const { head, oldestSeq } = store.standing();
    const to = until === undefined ? head : seqOf(until, 'to_seq');
    if (from > to || to > head) throw invalidParam(`It must be from_seq <= to_seq <= ${head}.`);
    if (from < oldestSeq - 1) {
      throw new Problem(409, 'compacted', { earliest_available: oldestSeq - 1 });
    }
    const span = await store.span(from, to);
    const changes = span.changes().filter(({ path }) => scope.covers(path));
    return c.json({
      from_seq: from,
      to_seq: to,
      changes: changes.map(({ path, before, after }) => ({
        path,
        before: before?.value ?? null,
        after: after?.value ?? null,
        before_type: before?.type ?? null,
        after_type: after?.type ?? null,
      })),
    });
  });
}

async function rollbackOf(
  body: object,
  { store, deps }: { readonly store: OpenStore; readonly deps: HttpDeps },
): Promise<RollbackRequest | Refusal> {
  const asked = readRollback(body, deps.limits);
  if (isRefusal(asked)) return asked;
  const target = await store.past(asked.toSeq);
  return isRefusal(target) ? target : { op: 'rollback', ...asked, target };
}
