import { refuse } from '@holdfast/protocol';

import { type BlobHash, isBlobHash } from '../blobs/index.ts';
import type { Files } from '../files/index.ts';
import { contentOf } from '../storage/batch.ts';
import { Problem, refused } from './errors.ts';
import type { Line } from './import-lines.ts';
import { type Member, membersOf } from './tar-read.ts';

/** Lines that name files wait for their contents, which come behind all lines. */
const HELD_MAX = 100_000;
const ENTRIES = 'entries.jsonl';

type Leaf = Extract<Line, { kind: 'leaf' }>;

type Room = {
  /** Reads the lines of the entries. */
  readonly linesIn: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Line>;
  readonly files: Pick<Files, 'intake' | 'refuseSpace' | 'refusalOf'>;
  readonly storeId: string;
};

/**
 * The lines of an archive as `format=tar` exports it: those of files come when their contents have been taken in. Content
 * that no line names is passed over; what does not fit, or is not what its name says, leaves its lines to be refused.
 */
export async function* tarLines(
  body: AsyncIterable<Uint8Array>,
  room: Room,
): AsyncGenerator<Line, void, undefined> {
  const held: Leaf[] = [];
  const wanted = new Map<string, number>();
  let hasLines = false;
  for await (const member of membersOf(body)) {
    if (member.name !== ENTRIES) {
      await keep(member, { ...room, wanted });
      continue;
    }
    hasLines = true;
    for await (const line of room.linesIn(member.bytes)) {
      const content = contentIn(line);
      if (line.kind === 'leaf' && content !== null) {
        held.push(line);
        wanted.set(content.hash, content.size);
      } else yield line;
      if (held.length > HELD_MAX) throw refused(refuse('body_too_large', { limit: HELD_MAX }));
    }
  }
  // Another archive would be told to be imported, though nothing of it was.
  if (!hasLines) {
    throw new Problem(400, 'invalid_params', { detail: `The archive holds no ${ENTRIES}.` });
  }
  yield* held;
}

async function keep(
  { name, size, bytes }: Member,
  { files, storeId, wanted }: Room & { readonly wanted: ReadonlyMap<string, number> },
): Promise<void> {
  const hash = `sha256:${name.replace(/^blobs\//, '')}`;
  if (!isBlobHash(hash) || wanted.get(hash) !== size) return;
  if ((await files.refuseSpace(storeId, { hash, size, replaced: 0 })) !== null) return;
  await receive(files, { storeId, bytes, hash });
}

async function receive(
  files: Room['files'],
  { storeId, bytes, hash }: { storeId: string; bytes: AsyncIterable<Uint8Array>; hash: BlobHash },
): Promise<void> {
  try {
    await files.intake.receive(storeId, bytes, { expected: hash });
  } catch (error) {
    const refusal = files.refusalOf(error);
    // What has no room is for the lines to tell; what may work later ends it.
    if (refusal.retry === 'later') throw refused(refusal);
  }
}

function contentIn(line: Line): { readonly hash: string; readonly size: number } | null {
  return line.kind === 'leaf' && line.leaf.type === 'file' ? contentOf(line.leaf.value) : null;
}
