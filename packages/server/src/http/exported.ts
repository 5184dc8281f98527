import { type Scope, type Tree, entriesIn } from '@holdfast/engine/data';
import type { Entry, Seq } from '@holdfast/protocol';
import type { Problem } from './errors.ts';
import { whileAllowed } from './lively.ts';
import { streamOf } from './stream-of.ts';
import { turn, TURN_LEAVES } from './turns.ts';

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
  /** Why there is to be no more of it, such as that who asked has been shut out meanwhile; null: there may be. */
  readonly whyOver: () => Promise<Problem | null>;
};

/** Sends pieces of what is made of it, for as long as they may be had: a large one takes a slow reader hours. */
export function sendOf(
  { whyOver }: Exported,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  keeping: Parameters<typeof streamOf>[1],
): ReadableStream<Uint8Array> {
  return streamOf(whileAllowed(pieces, whyOver), keeping);
}

/** What an export tells of: leases stay behind. null where others want their turn, also where little of much is told. */
export function* leavesOf({
  tree,
  scope,
}: Pick<Exported, 'tree' | 'scope'>): Generator<Entry | null, void, undefined> {
  let passed = 0;
  for (const entry of entriesIn(tree, scope)) {
    if (entry?.type !== 'lease') yield entry;
    passed += 1;
    if (passed % TURN_LEAVES === 0) yield null;
  }
}

/** The header, then a line for each leaf, in pieces. */
export async function* linesOf(exported: Exported): AsyncGenerator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder();
  let text = `${JSON.stringify(exported.header)}\n`;
  for (const entry of leavesOf(exported)) {
    // oxlint-disable-next-line no-await-in-loop -- in the order of the paths
    if (entry === null) await turn();
    else text += `${JSON.stringify(entry)}\n`;
    if (text.length < PIECE_CHARS) continue;
    yield encoder.encode(text);
    text = '';
  }
  if (text !== '') yield encoder.encode(text);
}
