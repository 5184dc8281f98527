import {
  isObject,
  isRefusal,
  parseTransact,
  type Path,
  type Refusal,
  refuse,
  toPath,
  type Transaction,
} from '@holdfast/protocol';
import type { Hono } from 'hono';

import { answerJson } from './answer-json.ts';
import { onlyFields, readObject } from './body.ts';
import type { BodyName } from './openapi/index.ts';
import { type Committer, markReplay } from './commit.ts';
import type { HttpDeps } from './deps.ts';
import { guardedByBody } from './conditions.ts';
import { Problem, refused } from './errors.ts';
import { identify, needScope, readableThen } from './identify.ts';
import { findAt, type Found, type Looked } from './past.ts';
import { storeOf } from './store-of.ts';
import { TURN_LEAVES } from './turns.ts';
import { openFor } from './open-for.ts';

type Body = { readonly [key: string]: unknown };

/** Many entries at once: read by path, written all or nothing (stores.md §15.2, §10.5). */
export function routeEntryBatch(app: Hono, deps: HttpDeps, committer: Committer): void {
  app.post('/api/stores/:org/:store/entries/batch', async (c) => {
    const principal = await identify(deps, c);
    const row = await storeOf(deps, c, principal);
    needScope(principal, 'entries:read');
    const body = await readObject(c, deps, principal);
    onlyFields(body, 'BatchRead');
    const paths = readPaths(body['paths'], deps);
    const { subtrees = false } = body;
    if (typeof subtrees !== 'boolean') {
      throw refused(refuse('invalid_payload', { field: 'subtrees' }));
    }
    const told = await deps.rates.looking(principal, row.id, (looker) =>
      openFor(c, { deps, principal, row }, (store) => {
        const { tree } = store.view();
        const scope = readableThen(deps, principal, { store, past: tree });
        return readMany({ tree, scope, looker }, paths, subtrees);
      }),
    );
    return answerJson(c, told, { deps, principal, row });
  });
  app.post('/api/stores/:org/:store/entries/batch_write', async (c) => {
    const principal = await identify(deps, c);
    const row = await storeOf(deps, c, principal);
    needScope(principal, 'entries:write');
    guardedByBody(c);
    const body = await readObject(c, deps, principal);
    onlyRequests(body, 'BatchWrite', 'BatchOp');
    const same = { ops: body['ops'], preconditions: fenceOf(body) };
    const request = onlyPlain(parseTransact(same, { limits: deps.limits }));
    const outcome = await openFor(c, { deps, principal, row }, (store) =>
      committer.commit(c, store, { principal, request, same }),
    );
    markReplay(c, outcome);
    return c.json(batchReply(request, outcome.reply));
  });
  app.post('/api/stores/:org/:store/transact', async (c) => {
    const principal = await identify(deps, c);
    const row = await storeOf(deps, c, principal);
    needScope(principal, 'entries:write');
    guardedByBody(c);
    const same = await readObject(c, deps, principal);
    onlyRequests(same, 'Transaction', 'TransactionOp');
    const request = parseTransact(same, { limits: deps.limits });
    // To be told whether a guess is right is to read.
    const guards = isRefusal(request) ? [] : request.preconditions;
    if (guards.some(({ kind }) => kind === 'equals')) needScope(principal, 'entries:read');
    const outcome = await openFor(c, { deps, principal, row }, (store) =>
      committer.commit(c, store, { principal, request, same }),
    );
    markReplay(c, outcome);
    return c.json(outcome.reply);
  });
}

async function readMany(
  looked: Looked,
  paths: readonly Path[],
  subtrees: boolean,
): Promise<object> {
  // Paths are keys here, `__proto__` among them.
  const entries: [Path, Found][] = [];
  const missing: Path[] = [];
  let leaves = 0;
  for (const path of new Set(paths)) {
    const isLeaf = looked.tree.leaf(path) !== undefined;
    leaves += subtrees ? looked.tree.count(path) : 1;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    if (leaves >= TURN_LEAVES) await looked.looker.rest();
    leaves %= TURN_LEAVES;
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const found = subtrees || isLeaf ? await findAt(looked, path) : undefined;
    if (found === undefined) missing.push(path);
    else entries.push([path, { value: found.value, type: found.type, revision: found.revision }]);
  }
  return { entries: Object.fromEntries(entries), missing };
}

function readPaths(paths: unknown, { limits }: HttpDeps): readonly Path[] {
  if (!Array.isArray(paths)) throw refused(refuse('invalid_payload', { field: 'paths' }));
  const { max_batch_paths: limit } = limits;
  if (paths.length > limit) throw refused(refuse('too_many_ops', { limit }));
  return paths.map((text: unknown) => {
    const path = typeof text === 'string' ? toPath(text, limits) : refuse('invalid_path');
    if (isRefusal(path)) throw refused(path);
    return path;
  });
}

/** Refuses what would be passed over, in the body and in each of its ops. */
function onlyRequests(body: Body, whole: BodyName, each: BodyName): void {
  onlyFields(body, whole);
  const ops: readonly unknown[] = Array.isArray(body['ops']) ? body['ops'] : [];
  for (const [index, op] of ops.entries()) {
    if (!isObject(op)) continue;
    onlyFields(op, each, (field, detail) =>
      refused(refuse('invalid_payload', { field, detail, op_index: index })),
    );
  }
}

/** One fence for the whole batch is a precondition like any other. */
function fenceOf(body: Body): readonly object[] {
  return body['fence'] === undefined || body['fence'] === null ? [] : [{ fence: body['fence'] }];
}

/** `batch_write` takes `set` and `delete` only; the rest goes by `transact`. */
function onlyPlain(request: Transaction | Refusal): Transaction | Refusal {
  if (isRefusal(request)) return request;
  const other = request.ops.findIndex(({ op }) => op !== 'set' && op !== 'delete');
  return other === -1 ? request : refuse('invalid op', { op_index: other });
}

function batchReply(request: Transaction | Refusal, reply: unknown): object {
  if (isRefusal(request) || !isObject(reply) || !Array.isArray(reply['results'])) {
    throw new Problem(500, 'internal_error');
  }
  const results: readonly unknown[] = reply['results'];
  return {
    store_seq: reply['store_seq'],
    ops: request.ops.map(({ path }, index) => {
      const result = results[index];
      const seq = isObject(result) ? result['store_seq'] : null;
      return { path, revision: seq, store_seq: seq };
    }),
  };
}
