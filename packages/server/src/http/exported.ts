import { type Scope, type Tree, entriesIn } from '@holdfast/engine/data';
import type { Seq } from '@holdfast/protocol';

const PIECE_CHARS = 64 * 1024;

/** The first line of an export (stores.md §13.4.1). */
export type ExportHeader = {
  readonly _header: true;
  readonly store: string;
  readonly seq: Seq;
  readonly entry_count: number;
  readonly path_schema_version: 3;
  readonly exported_at: string | null;
  readonly incarnation: string;
};

/** One state to be exported: it stays as it is while it is read, for later writes copy what they change. */
export type Exported = {
  readonly header: ExportHeader;
  readonly tree: Tree;
  readonly scope: Scope;
};

/** The header, then a line for each leaf, in pieces. */
export function* linesOf({
  header,
  tree,
  scope,
}: Exported): Generator<Uint8Array, void, undefined> {
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
