import type { Context, Hono } from 'hono';

import type { Looker } from '../storage/turn.ts';
import type { HttpDeps } from './deps.ts';
import { invalidParam } from './errors.ts';
import { queryOf } from './query.ts';
import { exportSqlite } from './export-sqlite.ts';
import { exportTar } from './export-tar.ts';
import { type Exported, leavesOf, linesOf, sendOf } from './exported.ts';
import { identify, whyEnded, needScope, readableIn } from './identify.ts';
import { storeOf } from './store-of.ts';
import { writeTime } from './time.ts';
import { openFor } from './open-for.ts';

const parameters = new Set(['format']);
const formats: ReadonlySet<string> = new Set(['jsonl', 'sqlite', 'tar']);

/** `GET …/export`: the entries of one moment, streamed; leases stay behind (stores.md §13.4.1). */
export function routeExport(app: Hono, deps: HttpDeps): void {
  app.get('/api/stores/:org/:store/export', async (c) => {
    const { format = 'jsonl' } = queryOf(c, parameters);
    const exported = await stateOf(c, deps, format);
    if (format === 'jsonl') {
      const bytes = sendOf(exported, linesOf(exported), deps);
      return answer(bytes, exported, { type: 'application/x-ndjson', ending: 'jsonl' });
    }
    if (format === 'sqlite') {
      const bytes = await exportSqlite(exported, { ...deps, left: c.req.raw.signal });
      return answer(bytes, exported, { type: 'application/vnd.sqlite3', ending: 'db' });
    }
    const bytes = exportTar(exported, deps);
    return answer(bytes, exported, { type: 'application/x-tar', ending: 'tar' });
  });
}

async function stateOf(c: Context, deps: HttpDeps, format: string): Promise<Exported> {
  const principal = await identify(deps, c);
  const row = await storeOf(deps, c, principal);
  needScope(principal, 'entries:read');
  // Before all entries are counted.
  if (!formats.has(format)) throw invalidParam('format is jsonl, sqlite or tar.');
  if (format === 'tar') needScope(principal, 'files:read');
  const { seq, leases, ...seen } = await openFor(c, { deps, principal, row }, (store) => ({
    ...store.view(),
    leases: store.leases,
    scope: readableIn(deps, principal, store),
  }));
  const header = {
    _header: true,
    store: row.name,
    seq,
    // Of a large store nobody waits for the first byte until all of it was looked through.
    entry_count: seen.scope.isWhole
      ? seen.tree.size - leases
      : await deps.rates.looking(principal, row.id, (looker) => countOf(seen, looker)),
    path_schema_version: 3,
    exported_at: writeTime(deps.now()),
    incarnation: row.incarnation,
  } as const;
  return { header, ...seen, whyOver: () => whyEnded(c, { deps, principal, row }) };
}

function answer(
  bytes: ReadableStream<Uint8Array>,
  { header }: Exported,
  { type, ending }: { readonly type: string; readonly ending: string },
): Response {
  const file = `${header.store.replace('/', '-')}-${header.seq}.${ending}`;
  return new Response(bytes, {
    headers: { 'Content-Type': type, 'Content-Disposition': `attachment; filename="${file}"` },
  });
}

async function countOf(seen: Pick<Exported, 'tree' | 'scope'>, looker: Looker): Promise<number> {
  let count = 0;
  for (const entry of leavesOf(seen)) {
    if (entry !== null) count += 1;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    else await looker.rest();
  }
  return count;
}
