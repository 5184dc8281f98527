import { createHash } from 'node:crypto';
import {
  type Change,
  type RollbackRequest,
  sameLeaf,
  type Scope,
  sorting,
  type Span,
  type Tree,
} from '@holdfast/engine/data';
import type { Veil } from '@holdfast/engine/gate';
import {
  comparePaths,
  type Entry,
  fingerprint,
  isObject,
  isRefusal,
  type Leaf,
  type Path,
  readRollback,
  type Refusal,
  refuse,
  type Seq,
} from '@holdfast/protocol';
import type { Context, Hono } from 'hono';

import type { Look, Principal } from '../access/index.ts';
import type { StoreRow } from '../storage/port.ts';
import { answerJson } from './answer-json.ts';
import { noteAct } from './audit.ts';
import { onlyFields, readObject } from './body.ts';
import { type Committer, keyOf, markReplay, type Outcome, reused } from './commit.ts';
import { unguarded } from './conditions.ts';
import type { HttpDeps, OpenStore } from './deps.ts';
import { invalidParam, Problem, refused } from './errors.ts';
import { queryOf } from './query.ts';
import { chargeWrite, deviceOf, identify, needScope, readable, readableThen } from './identify.ts';
import { seqOf } from './past.ts';
import { storeOf } from './store-of.ts';
import { inParts, TURN_LEAVES } from './turns.ts';
import { openFor } from './open-for.ts';

const parameters = new Set(['from_seq', 'to_seq']);

/** What was, what differs, and the way back (stores.md §13). */
export function routeHistory(app: Hono, deps: HttpDeps, committer: Committer): void {
  app.get('/api/stores/:org/:store/diff', (c) => diff(c, deps));
  app.post('/api/stores/:org/:store/rollback', async (c) => {
    const principal = await identify(deps, c);
    const row = await storeOf(deps, c, principal);
    needScope(principal, 'entries:write');
    unguarded(c);
    const body = await readObject(c, deps, principal);
    onlyFields(body, 'Rollback');
    const same = {
      op: 'rollback',
      path: body['path_segments'] ?? body['path'],
      value: body['to_seq'],
    };
    const print = fingerprint(same);
    const rollBack = async (): Promise<Outcome> => {
      const isRepeat = await committer.isRepeat(c, row, { principal, print });
      // Before there is a look at the log, which may be long.
      if (!isRepeat) chargeWrite(deps, c, principal);
      return deps.rates.looking(principal, row.id, (look) =>
        openFor(c, { deps, principal, row }, async (store) => {
          const request = isRepeat ? answered : await rollbackOf(body, { store, deps, look });
          const wanted = { principal, request, same, isPaid: true, look };
          return look.wait(committer.commit(c, store, wanted));
        }),
      );
    };
    const asked = { of: [row.id, deviceOf(c, principal), principal.subject], print };
    const outcome = await keepNothing(c, deps, { ...asked, run: rollBack });
    markReplay(c, outcome);
    if (!outcome.replayed) await noteRollback(deps, principal, { store: row, body });
    return c.json(outcome.reply);
  });
}

/** What a repeat asks for: the record of the first has its answer, whatever would be done now. */
const answered = refuse('unavailable', { retry_after_ms: 1000 });

type Kept = { readonly reply: object; readonly replayed: boolean };

/**
 * Where there is nothing to do there is no commit that would remember the key of the request: it is kept by itself, or a
 * repeat would take back what was written since (stores.md §15.3).
 */
async function keepNothing(
  c: Context,
  { storage, now }: HttpDeps,
  asked: {
    readonly of: readonly (string | null)[];
    readonly print: number;
    readonly run: () => Promise<Outcome>;
  },
): Promise<Kept> {
  const key = keyOf(c);
  if (key === null) return asked.run();
  const of = JSON.stringify(['rollback', ...asked.of, key]);
  const name = createHash('sha256').update(of).digest('base64url');
  const row = await storage.keys.take({ name, print: 0, at: now() });
  const told: unknown = JSON.parse(row?.answer ?? 'null');
  if (isObject(told) && isObject(told['reply'])) {
    if (told['print'] !== asked.print) throw reused();
    return { reply: told['reply'], replayed: true };
  }
  const outcome = await asked.run();
  const { reply } = outcome;
  const isNothing = 'noop' in reply || ('ops_written' in reply && reply.ops_written === 0);
  if (isNothing) {
    await storage.keys.answer(name, JSON.stringify({ print: asked.print, reply }));
  }
  return outcome;
}

async function noteRollback(
  deps: HttpDeps,
  principal: Principal,
  { store, body }: { store: StoreRow; body: { readonly [field: string]: unknown } },
): Promise<void> {
  const asked = readRollback(body, deps.limits);
  // It was done, so it could be read.
  if (isRefusal(asked)) return;
  const act = 'store.rolled_back';
  const details = { to_seq: asked.toSeq };
  await noteAct(deps, principal, { act, store, target: asked.path ?? null, details });
}

async function diff(c: Context, deps: HttpDeps): Promise<Response> {
  const principal = await identify(deps, c);
  const row = await storeOf(deps, c, principal);
  needScope(principal, 'entries:read');
  const { from_seq: since, to_seq: until } = queryOf(c, parameters);
  const from = seqOf(since, 'from_seq');
  const tell = async (store: OpenStore, look: Look): Promise<Response> => {
    const { head, oldestSeq } = store.standing();
    const to = until === undefined ? head : seqOf(until, 'to_seq');
    if (from > to || to > head) throw invalidParam(`It must be from_seq <= to_seq <= ${head}.`);
    if (from < oldestSeq - 1) {
      throw new Problem(409, 'compacted', { earliest_available: oldestSeq - 1 });
    }
    const rest = (): Promise<void> => look.rest();
    const span = await store.span({ from, to }, look);
    const ends = await endsOf(deps, principal, { store, span, to, look });
    const changed = await inParts(span.changing(), rest);
    const changes = ends === null ? changed : await inParts(changesSeen(changed, ends), rest);
    return answerJson(
      c,
      { from_seq: from, to_seq: to, changes: toldOf(changes) },
      { deps, principal, row },
    );
  };
  return openFor(c, { deps, principal, row }, (store) =>
    deps.rates.looking(principal, row.id, (look) => tell(store, look)),
  );
}

/** Changes as HTTP tells them (stores.md §13.2.2). */
function* toldOf(changes: readonly Change[]): Generator<object, void, undefined> {
  for (const { path, before, after } of changes) {
    yield {
      path,
      before: before?.value ?? null,
      after: after?.value ?? null,
      before_type: before?.type ?? null,
      after_type: after?.type ?? null,
    };
  }
}

/** A state at an end of a span, and what of it may be read. */
type End = { readonly tree: Tree; readonly scope: Scope };

type Ends = { readonly before: End; readonly after: End; readonly veil: Veil | null };

type Spanned = {
  readonly store: OpenStore;
  readonly span: Span;
  readonly to: Seq;
  readonly look: Look;
};

/** null: all may be read, whatever it is. */
async function endsOf(
  deps: HttpDeps,
  principal: Principal,
  { store, span, to, look }: Spanned,
): Promise<Ends | null> {
  const byRules = readable(principal);
  const veil = deps.veilOf?.(principal, store) ?? null;
  if (byRules.isWhole && veil === null) return null;
  const past = await store.past(to, look);
  if (isRefusal(past)) throw refused(past);
  const start = past.draft();
  await inParts(span.rewinding(start), () => look.rest());
  const endOf = (tree: Tree): End => ({
    tree,
    scope: readableThen(deps, principal, { store, past: tree }),
  });
  return { before: endOf(start), after: endOf(past), veil };
}

/** What differs for somebody between what is seen at both ends: what was hidden at one was not there. */
function* changesSeen(
  changed: readonly Change[],
  { before, after, veil }: Ends,
): Generator<void, readonly Change[], undefined> {
  const paths =
    veil === null
      ? changed.map(({ path }) => path)
      : yield* pathsConcerned(changed, { before, after, veil });
  const seen: Change[] = [];
  let passed = 0;
  for (const path of paths) {
    const [was, is] = [seenAt(before, path), seenAt(after, path)];
    if (!sameLeaf(was, is)) seen.push({ path, before: was, after: is });
    passed += 1;
    if (passed % TURN_LEAVES === 0) yield;
  }
  return seen;
}

/** Where something may be seen at one end only, in path order: what stayed as it was may have been hidden at the other. */
function* pathsConcerned(
  changed: readonly Change[],
  { before, after, veil }: Ends & { readonly veil: Veil },
): Generator<void, readonly Path[], undefined> {
  const paths = new Set<Path>();
  const objects = new Set<Path>();
  let passed = 0;
  for (const { path } of changed) {
    paths.add(path);
    for (const object of veil.objectsAround(path)) objects.add(object);
    passed += 1;
    if (passed % TURN_LEAVES === 0) yield;
  }
  for (const { path } of entriesBelow(objects, [before, after])) {
    paths.add(path);
    passed += 1;
    if (passed % TURN_LEAVES === 0) yield;
  }
  return yield* sorting([...paths], comparePaths);
}

function* entriesBelow(objects: Iterable<Path>, ends: readonly End[]): Generator<Entry> {
  for (const under of objects) for (const { tree } of ends) yield* tree.entries({ under });
}

function seenAt({ tree, scope }: End, path: Path): Leaf | undefined {
  return scope.covers(path) ? tree.leaf(path) : undefined;
}

async function rollbackOf(
  body: object,
  {
    store,
    deps,
    look,
  }: { readonly store: OpenStore; readonly deps: HttpDeps; readonly look: Look },
): Promise<RollbackRequest | Refusal> {
  const asked = readRollback(body, deps.limits);
  if (isRefusal(asked)) return asked;
  if (store.archived) return refuse('store_archived');
  const target = await store.target(asked, look);
  return isRefusal(target) ? target : { op: 'rollback', ...asked, target };
}
