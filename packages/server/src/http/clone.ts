import { eachMap, forbidden, type Tree } from '@holdfast/engine/data';
import {
  type Entry,
  parseStoreName,
  type Path,
  type Seq,
  type StoreName,
} from '@holdfast/protocol';
import type { Hono } from 'hono';

import type { LoadChunk, StoreRow } from '../storage/port.ts';
import type { Acts } from './acts.ts';
import { noteAct } from './audit.ts';
import { onlyFields, readObject } from './body.ts';
import type { HttpDeps } from './deps.ts';
import { invalidField, refused } from './errors.ts';
import { identify, mayHide, needScope } from './identify.ts';
import { storeOf } from './store-of.ts';
import { invalidStore, newStore, refusedStore } from './stores.ts';
import { turn } from './turns.ts';
import { openFor } from './open-for.ts';

const CHUNK_ROWS = 500;

/** `POST …/clone`: another store of the org that begins as this one is now, leases aside (stores.md §13.4.4). */
export function routeClone(app: Hono, deps: HttpDeps, acts: Acts): void {
  app.post('/api/stores/:org/:store/clone', async (c) => {
    const principal = await identify(deps, c);
    const source = await storeOf(deps, c, principal);
    needScope(principal, 'stores:clone');
    const isBounded = (principal.pathRules ?? null) !== null;
    if (isBounded || mayHide(deps, { principal, row: source, pattern: null })) {
      throw refused(forbidden(null));
    }
    const body = await readObject(c, deps, principal);
    onlyFields(body, 'NewClone', invalidField);
    return acts.perform(c, { principal, body }, async () => {
      const name = readName(body['name'], source);
      const { tree, seq } = await openFor(c, { deps, principal, row: source }, (store) =>
        store.view(),
      );
      const wanted = newStore(deps, { name, expiresAt: null });
      const row = await deps.storage.stores.seed(wanted, stateOf(tree, seq));
      if (row === null) throw await refusedStore(deps, name);
      const details = { source: source.name };
      await noteAct(deps, principal, { act: 'store.cloned', store: row, details });
      const store = {
        id: row.id,
        name: row.name.slice(row.name.indexOf('/') + 1),
        full_name: row.name,
        incarnation: row.incarnation,
        store_seq: seq,
      };
      return c.json({ ok: true, store }, 201);
    });
  });
}

/** What a clone begins with. The tree stays as it is while it is read: later writes copy what they change. */
export async function* stateOf(tree: Tree, seq: Seq): AsyncGenerator<LoadChunk, void, undefined> {
  const leases: Path[] = [];
  let entries: Entry[] = [];
  let passed = 0;
  for (const entry of tree.entries()) {
    if (entry.type === 'lease') leases.push(entry.path);
    else entries.push(entry);
    passed += 1;
    if (passed % CHUNK_ROWS > 0) continue;
    yield { seq, entries, maps: [] };
    entries = [];
    await turn();
  }
  yield { seq, entries, maps: [] };
  let maps: (readonly [Path, Seq])[] = [];
  for (const row of eachMap(await without(tree, leases))) {
    if (row !== null) maps.push(row);
    if (row !== null && maps.length < CHUNK_ROWS) continue;
    yield { seq, entries: [], maps };
    maps = [];
    await turn();
  }
  yield { seq, entries: [], maps };
}

/** Maps keep their revisions; those that held nothing but leases are gone. */
async function without(tree: Tree, leases: readonly Path[]): Promise<Tree> {
  const rest = tree.fork();
  for (const [passed, path] of leases.entries()) {
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    if (passed % CHUNK_ROWS === 0) await turn();
    rest.remove(path, 0);
  }
  return rest;
}

/** `name` in the org of the source, or `org/name` with that org. */
function readName(name: unknown, source: StoreRow): StoreName {
  const org = source.name.slice(0, source.name.indexOf('/') + 1);
  const full = typeof name !== 'string' || name.includes('/') ? name : `${org}${name}`;
  const parsed = typeof full === 'string' ? parseStoreName(full) : null;
  if (parsed?.startsWith(org) === true) return parsed;
  throw invalidStore(
    'name is 1 to 128 of a-z, 0-9, dot, underscore and hyphen, begins with a letter or digit, and lies in the org of the source.',
  );
}
