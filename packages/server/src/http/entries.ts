import {
  type Fence,
  isRefusal,
  parseWrite,
  type Path,
  pick,
  type Refusal,
  type Request,
} from '@holdfast/protocol';
import { forbidden, type Scope, type Tree } from '@holdfast/engine/data';
import type { Context, Hono } from 'hono';

import type { Principal } from '../access/index.ts';
import { answerJson } from './answer-json.ts';
import { noteAct } from './audit.ts';
import { onlyFields, readJson, readObject } from './body.ts';
import { type Committer, markReplay, seqOf } from './commit.ts';
import {
  type Condition,
  conditionOf,
  etag,
  fenceIn,
  guardedByBody,
  isKnown,
} from './conditions.ts';
import type { HttpDeps, OpenStore } from './deps.ts';
import { pathOf, writablePathOf } from './entry-path.ts';
import { Problem, refused } from './errors.ts';
import { flagOf, queryOf } from './query.ts';
import { identify, needScope, readable, readableThen } from './identify.ts';
import { readAt } from './past.ts';
import { storeOf } from './store-of.ts';
import { openFor } from './open-for.ts';

/** What a route writes: the op, and what must hold for it. */
type Asked = {
  readonly principal: Principal;
  readonly op: 'set' | 'delete';
  readonly path: Path;
  readonly value?: unknown;
  readonly condition: Condition;
  readonly fence?: Fence;
  readonly forced?: boolean;
};

const parameters = {
  read: new Set(['path', 'at_seq']),
  put: new Set(['path', 'fence']),
  remove: new Set(['path', 'force', 'fence']),
};

/** One entry at a time: read, replace, remove (stores.md §15.2). */
export function routeEntries(app: Hono, deps: HttpDeps, committer: Committer): void {
  const read = (c: Context): Promise<Response> => readEntry(c, deps);
  const put = (c: Context): Promise<Response> => putEntry(c, deps, committer);
  const remove = (c: Context): Promise<Response> => deleteEntry(c, deps, committer);
  // First, for `entries/*` would take `entries` too.
  app.post('/api/stores/:org/:store/entries', (c) =>
    writeFromBody(c, deps, { committer, op: 'set' }),
  );
  app.delete('/api/stores/:org/:store/entries', (c) =>
    writeFromBody(c, deps, { committer, op: 'delete' }),
  );
  for (const route of ['/api/stores/:org/:store/entries/*', '/api/stores/:org/:store/entry']) {
    app.get(route, read);
    app.put(route, put);
    app.delete(route, remove);
  }
}

async function readEntry(c: Context, deps: HttpDeps): Promise<Response> {
  const principal = await identify(deps, c);
  const row = await storeOf(deps, c, principal);
  needScope(principal, 'entries:read');
  const { at_seq: atSeq } = queryOf(c, parameters.read);
  const path = pathOf(c, 'entries', deps.limits);
  const scope = readable(principal);
  if (!scope.reaches(path)) throw refused(forbidden(path));
  const found = await openFor(c, { deps, principal, row }, (store) => {
    const scopeOf = (tree: Tree): Scope => readableThen(deps, principal, { store, past: tree });
    return deps.rates.looking(principal, row.id, (looker) =>
      readAt({ store, scopeOf, path, looker }, atSeq),
    );
  });
  // With the path, for the store is there: only the entry is not.
  if (found === undefined) throw new Problem(404, 'not_found', { path });
  const { value, type, revision, isPart } = found;
  // A part of a map becomes another one without a later revision: as rights change, or where something of it is removed.
  if (!isPart) {
    c.header('ETag', etag(revision));
    if (isKnown(c, revision)) return c.body(null, 304);
  }
  return answerJson(c, { path, value, type, revision }, { deps, principal, row });
}

async function putEntry(c: Context, deps: HttpDeps, committer: Committer): Promise<Response> {
  const principal = await identify(deps, c);
  const row = await storeOf(deps, c, principal);
  needScope(principal, 'entries:write');
  queryOf(c, parameters.put);
  const path = writablePathOf(c, 'entries', deps.limits);
  const guards = { condition: conditionOf(c), ...fenceIn(c, deps.limits) };
  const value = await readJson(c, deps, principal);
  return openFor(c, { deps, principal, row }, (store) =>
    answerWrite(c, { deps, committer, store }, { principal, op: 'set', path, value, ...guards }),
  );
}

async function deleteEntry(c: Context, deps: HttpDeps, committer: Committer): Promise<Response> {
  const principal = await identify(deps, c);
  const row = await storeOf(deps, c, principal);
  needScope(principal, 'entries:write');
  const path = writablePathOf(c, 'entries', deps.limits);
  const guards = { condition: conditionOf(c), ...fenceIn(c, deps.limits) };
  const forced = flagOf('force', queryOf(c, parameters.remove)['force']);
  if (forced) needScope(principal, 'admin');
  const answer = await openFor(c, { deps, principal, row }, (store) =>
    answerWrite(
      c,
      { deps, committer, store },
      { principal, op: 'delete', path, ...guards, forced },
    ),
  );
  if (forced) {
    await noteAct(deps, principal, { act: 'entry.force_deleted', store: row, target: path });
  }
  return answer;
}

/** The same by a body, for paths that a URL cannot carry. */
async function writeFromBody(
  c: Context,
  deps: HttpDeps,
  { committer, op }: { readonly committer: Committer; readonly op: 'set' | 'delete' },
): Promise<Response> {
  const principal = await identify(deps, c);
  const row = await storeOf(deps, c, principal);
  needScope(principal, 'entries:write');
  guardedByBody(c);
  const body = await readObject(c, deps, principal);
  onlyFields(body, op === 'set' ? 'EntryWrite' : 'EntryDelete');
  const payload = { ...body, op };
  return openFor(c, { deps, principal, row }, async (store) => {
    const request = parseWrite(payload, { dialect: 4, limits: deps.limits });
    const wanted = { principal, request, same: payload };
    return answerSeq(c, await committer.commit(c, store, wanted));
  });
}

async function answerWrite(
  c: Context,
  { deps, committer, store }: { deps: HttpDeps; committer: Committer; store: OpenStore },
  asked: Asked,
): Promise<Response> {
  const { principal, op, path, value, fence, forced = false } = asked;
  const request = requestOf(asked, store, deps);
  // What the caller said, not what it came to: a list of revisions is settled anew each time.
  const same = {
    op,
    path,
    value,
    if_match: c.req.header('if-match'),
    if_absent: c.req.header('if-none-match'),
    fence,
  };
  const wanted = { principal, request, same, forced };
  const outcome = await committer.commit(c, store, wanted).catch((error: unknown) => {
    throw error instanceof Problem ? ofOneOp(error) : error;
  });
  return answerSeq(c, outcome);
}

/** What is told of transactions, and no more of one write (stores.md §8): where it lies is in the URL. */
const ofTransactions: ReadonlySet<string> = new Set(['op_index', 'precondition_index']);

/** The problem of a write that is a transaction only because of its condition. */
function ofOneOp({ status, code, details }: Problem): Problem {
  const isGuard = Object.hasOwn(details, 'current_revision');
  const told = pick(
    details,
    (field) => !ofTransactions.has(field) && !(isGuard && field === 'path'),
  );
  return new Problem(status, code, told);
}

function answerSeq(c: Context, outcome: Awaited<ReturnType<Committer['commit']>>): Response {
  const seq = seqOf(outcome.reply);
  markReplay(c, outcome);
  c.header('ETag', etag(seq));
  return c.json({ revision: seq, store_seq: seq });
}

/** The request that asks for the write under its condition; both are judged together, in the commit. */
function requestOf(asked: Asked, store: OpenStore, { limits }: HttpDeps): Request | Refusal {
  const { op, path, value = null, condition, fence } = asked;
  const guards = { fence, ...guardOf(condition, path, store) };
  const payload = { op, path, ...(op === 'set' && { value }), ...guards };
  const write = parseWrite(payload, { dialect: 4, limits });
  if (isRefusal(write) || condition.kind !== 'exists') return write;
  return { op: 'transact', ops: [write], preconditions: [{ kind: 'exists', path }] };
}

function guardOf(condition: Condition, path: Path, store: OpenStore): object {
  if (condition.kind === 'absent') return { if_absent: true };
  if (condition.kind !== 'revision') return {};
  const current = store.view().tree.read(path)?.revision ?? null;
  // Of several revisions the one that stands is guarded; where none does, no later one can match either. 0 never does.
  return {
    if_match:
      current !== null && condition.oneOf.includes(current) ? current : (condition.oneOf[0] ?? 0),
  };
}
