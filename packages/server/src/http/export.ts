import { type Scope, type Tree, entriesIn } from '@holdfast/engine/data';
import type { Hono } from 'hono';

import type { HttpDeps } from './deps.ts';
import { Problem } from './errors.ts';
import { identify, needScope, readable } from './identify.ts';
import { storeOf } from './store-of.ts';
import { writeTime } from './time.ts';

const PIECE_CHARS = 64 * 1024;

/** `GET …/export`: the entries of one moment as JSON lines, streamed; leases stay behind (stores.md §13.4.1). */
export function routeExport(app: Hono, deps: HttpDeps): void {
  app.get('/api/stores/:org/:store/export', async (c) => {
    const principal = await identify(deps, c);
    const row = await storeOf(deps, c, principal);
    needScope(principal, 'entries:read');
    const format = c.req.query('format') ?? 'jsonl';
    if (format !== 'jsonl') {
      throw new Problem(400, 'invalid_params', { detail: 'This server exports format=jsonl.' });
    }
    const scope = readable(principal);
    const { tree, seq } = await deps.withStore(row.id, (store) => store.view());
    const header = {
      _header: true,
      store: row.name,
      seq,
      entry_count: countOf(tree, scope),
      path_schema_version: 3,
      exported_at: writeTime(deps.now()),
      incarnation: row.incarnation,
    };
    const file = `${row.name.replace('/', '-')}-${seq}.jsonl`;
    return new Response(streamOf(lines(header, tree, scope)), {
      headers: {
        'Content-Type': 'application/x-ndjson',
        'Content-Disposition': `attachment; filename="${file}"`,
      },
    });
  });
}

/** The state stays as it is while it is read: later writes copy what they change. */
function* lines(header: object, tree: Tree, scope: Scope): Generator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder();
  let text = `${JSON.stringify(header)}\n`;
  for (const entry of entriesIn(tree, scope)) {
    if (entry !== null && entry.type !== 'lease') text += `${JSON.stringify(entry)}\n`;
    if (text.length < PIECE_CHARS && entry !== null) continue;
    if (text !== '') yield encoder.encode(text);
    text = '';
  }
  if (text !== '') yield encoder.encode(text);
}

function countOf(tree: Tree, scope: Scope): number {
  let count = 0;
  for (const entry of entriesIn(tree, scope)) {
    if (entry !== null && entry.type !== 'lease') count += 1;
  }
  return count;
}

/** Makes the next piece when the reader has room for it. */
function streamOf(pieces: Generator<Uint8Array, void, undefined>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: (controller) => {
      const piece = pieces.next();
      if (piece.done === true) controller.close();
      else controller.enqueue(piece.value);
    },
    cancel: () => void pieces.return(),
  });
}
