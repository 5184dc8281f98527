import { type FileWrite, forbidden, isLease } from '@holdfast/engine/data';
import { type Fence, type Path, refuse, type Seq } from '@holdfast/protocol';
import type { Context } from 'hono';

import type { Principal } from '../access/index.ts';
import { type BlobHash, isBlobHash } from '../blobs/index.ts';
import { type FileLabel, type KeptContent, mayWrite, type PieceOutcome } from '../files/index.ts';
import type { StoreRow } from '../storage/port.ts';
import { needPlain } from './body.ts';
import { type Committer, markReplay, seqOf } from './commit.ts';
import { type Condition, conditionOf, fenceIn } from './conditions.ts';
import type { HttpDeps, OpenStore } from './deps.ts';
import { filenameIn } from './disposition.ts';
import { Problem, refused } from './errors.ts';
import { fileEntry, fileTag } from './file-read.ts';
import { forStreams, lively, whileAllowed } from './lively.ts';
import { chargeWrite, needValid, readableIn, whyShutOut } from './identify.ts';
import { paramOf } from './query.ts';
import { type Piece, readPiece } from './ranges.ts';
import { openFor } from './open-for.ts';

type Fenced = { readonly fence: Fence | undefined };

const nameMax = 1024;
const attempts = 3;

/** Where a file is to be, and who says so. */
export type Target = { readonly principal: Principal; readonly row: StoreRow; readonly path: Path };

/** Takes the bytes of a file in, whole or a piece of them, and commits its entry once all are there (stores.md §15.5). */
export async function writeFile(
  c: Context,
  { deps, committer }: { readonly deps: HttpDeps; readonly committer: Committer },
  target: Target,
): Promise<Response> {
  needPlain(c.req.raw.headers);
  const label = labelOf(c);
  const { fence } = fenceIn(c, deps.limits);
  const hash = hashOf(c);
  const piece = pieceOf(c);
  // A repeat of what was done already must be answered, not judged.
  if (!(await committer.isRepeat(c, target.row, target))) {
    await judgeEarly(c, deps, { ...target, fence });
  }
  const replaced = await openFor(c, { deps, ...target }, (store) =>
    deps.files.replacedAt(store.view().tree, target.path),
  );
  const coming = { target, hash, replaced };
  await checkSpace(c, deps, { ...coming, total: piece?.total ?? null });
  const outcome =
    piece === null
      ? await receive(c, deps, coming)
      : await receivePiece(c, deps, { ...coming, piece });
  if (outcome.status === 'digest_mismatch') throw new Problem(422, 'digest_mismatch');
  if (outcome.status === 'received') return c.json({ received: outcome.received }, 202);
  if (outcome.status === 'offset_mismatch') {
    throw new Problem(409, 'offset_mismatch', { received: outcome.received });
  }
  const { content } = outcome;
  return openFor(c, { deps, ...target }, (store) =>
    commitFile(c, { deps, committer, store }, { ...target, content, label, fence }),
  );
}

/** Before a byte is read: what is half sent, or not wanted in the end, was work and space too. The commit says it again. */
async function judgeEarly(
  c: Context,
  deps: HttpDeps,
  { principal, row, path, fence }: Target & Fenced,
): Promise<void> {
  if (row.status === 'archived') throw refused(refuse('store_archived'));
  chargeWrite(deps, c, principal);
  if (!mayWrite(principal, path)) throw refused(forbidden(path));
  await openFor(c, { deps, principal, row }, (store) => {
    const scope = readableIn(deps, principal, store);
    const isSeen = store.view().tree.hasBelow(path)
      ? scope.coversSubtree(path)
      : scope.covers(path);
    // Who may not look is told nothing of what is there.
    if (isSeen) checkEarly(c, store, path);
    const isLost = fence && scope.covers(fence.key) && !hasLease(store, fence);
    if (isLost) throw refused(refuse('fenced'));
  });
}

/** Whether the lease is there; whether it has ended is for the commit to say. */
function hasLease(store: OpenStore, { key, token }: Fence): boolean {
  const value = store.view().tree.leaf(key)?.value ?? null;
  return isLease(value) && value.token === token;
}

/** What comes where; what is replaced makes room. */
type Coming = {
  readonly target: Target;
  readonly hash: BlobHash | null;
  readonly replaced: number;
};

/** As far as the length is known before. */
async function checkSpace(
  c: Context,
  deps: HttpDeps,
  { target, hash, replaced, total }: Coming & { readonly total: number | null },
): Promise<void> {
  const size = total ?? Number(c.req.header('content-length') ?? 0);
  const refusal = await deps.files.refuseSpace(target.row.id, { hash, size, replaced });
  if (refusal !== null) throw refused(deps.files.toldTo(target.principal, target.row, refusal));
}

async function receive(
  c: Context,
  deps: HttpDeps,
  { target, hash, replaced }: Coming,
): Promise<PieceOutcome> {
  const { files } = deps;
  const content = await files.intake
    .receive(target.row.id, bodyOf(c, deps, target), { expected: hash, replaced })
    .catch((error: unknown) => fail(files, target, error));
  return content === null ? { status: 'digest_mismatch' } : { status: 'kept', content };
}

async function receivePiece(
  c: Context,
  deps: HttpDeps,
  { target, hash, replaced, piece }: Coming & { readonly piece: Piece },
): Promise<PieceOutcome> {
  if (hash === null) throw invalid('A Content-Range needs the header Holdfast-Content-Hash.');
  const { files } = deps;
  const { principal } = target;
  const { range, total } = piece;
  const key = { storeId: target.row.id, subject: principal.subject, hash, replaced };
  const bytes = range && {
    from: range.start,
    bytes: bodyOf(c, deps, { principal, length: range.end - range.start }),
  };
  return files.intake
    .piece(key, bytes, total)
    .catch((error: unknown) => fail(files, target, error));
}

type Room = {
  readonly deps: HttpDeps;
  readonly committer: Committer;
  readonly store: OpenStore;
};

type Wanted = Target & Fenced & { readonly content: KeptContent; readonly label: FileLabel };

async function commitFile(c: Context, room: Room, wanted: Wanted): Promise<Response> {
  const { content, label, path, principal, fence } = wanted;
  const value = room.deps.files.envelope(content, label);
  const same = {
    op: 'put_file',
    path,
    content: content.hash,
    filename: label.filename,
    content_type: label.contentType,
    if_match: c.req.header('if-match'),
    if_absent: c.req.header('if-none-match'),
    fence,
  };
  // The bytes may have taken long.
  await needValid(room.deps, c, principal);
  const outcome = await settle(c, { store: room.store, path }, (guard) => {
    const request: FileWrite = { op: 'put_file', path, value, ...guard, ...(fence && { fence }) };
    return room.committer.commit(c, room.store, { principal, request, same, isPaid: true });
  });
  const seq = seqOf(outcome.reply);
  markReplay(c, outcome);
  c.header('ETag', fileTag(content.hash));
  const { hash, size } = content;
  const { contentType: content_type, filename } = label;
  const answer = { store_seq: seq, revision: seq, hash, size, content_type, filename };
  return c.json(answer, (await isNew(room, seq, path)) ? 201 : 200);
}

/** Deletes the entry of a file, and nothing that has taken its place meanwhile. */
export async function deleteFile(
  c: Context,
  { deps, committer, store }: Room,
  { principal, path }: Pick<Target, 'principal' | 'path'>,
): Promise<Response> {
  const guarded = fenceIn(c, deps.limits);
  if (conditionAt(c, store, path).kind === 'absent') {
    throw refused(refuse('if_absent_unsupported_op', { op: 'delete' }));
  }
  const same = {
    op: 'delete',
    path,
    value: 'file',
    if_match: c.req.header('if-match'),
    ...guarded,
  };
  const isFile = fileAt(store, path) !== null;
  if (!isFile && c.req.header('idempotency-key') === undefined) throw new Problem(404, 'not_found');
  const outcome = await settle(c, { store, path }, (guard) => {
    // Revision 0 never matches: what is no file now may only be the repeat of a delete that was done.
    const ifMatch = 'ifMatch' in guard ? guard.ifMatch : (fileAt(store, path)?.revision ?? 0);
    const request = { op: 'delete', path, ifMatch, ...guarded } as const;
    return committer.commit(c, store, { principal, request, same });
  }).catch((error: unknown) => {
    const isGone = error instanceof Problem && error.code === 'conflict' && !isFile;
    throw isGone ? new Problem(404, 'not_found') : error;
  });
  markReplay(c, outcome);
  const seq = seqOf(outcome.reply);
  return c.json({ revision: seq, store_seq: seq });
}

type Guard = { readonly ifMatch: Seq } | { readonly ifAbsent: true } | object;

/** Tries under the revision that fulfils the condition now; where that changes meanwhile, by the next one that does. */
async function settle<T>(
  c: Context,
  { store, path }: { readonly store: OpenStore; readonly path: Path },
  attempt: (guard: Guard) => Promise<T>,
): Promise<T> {
  for (let left = attempts; ; left--) {
    const guard = guardOf(conditionAt(c, store, path), store, path);
    try {
      // oxlint-disable-next-line no-await-in-loop -- each on the result of the one before
      return await attempt(guard);
    } catch (error) {
      const mayPass = error instanceof Problem && error.code === 'conflict' && left > 1;
      if (!mayPass) throw error;
    }
  }
}

function guardOf(condition: Condition, store: OpenStore, path: Path): Guard {
  if (condition.kind === 'none') return {};
  if (condition.kind === 'absent') return { ifAbsent: true };
  const current = store.view().tree.read(path)?.revision;
  if (condition.kind === 'exists') return { ifMatch: current ?? 0 };
  const stands = current !== undefined && condition.oneOf.includes(current);
  return { ifMatch: stands ? current : (condition.oneOf[0] ?? 0) };
}

/** `If-Match` takes revisions, as everywhere, and here also the ETags that files are read with: names of content. */
function conditionAt(c: Context, store: OpenStore, path: Path): Condition {
  const current = fileAt(store, path);
  return conditionOf(c, (tag) => {
    const isHash = tag.startsWith('"') && tag.endsWith('"') && isBlobHash(tag.slice(1, -1));
    if (!isHash) return undefined;
    return current !== null && tag === fileTag(current.hash) ? current.revision : null;
  });
}

/** What cannot pass is told before gigabytes are sent; the commit has the last word. */
function checkEarly(c: Context, store: OpenStore, path: Path): void {
  const condition = conditionAt(c, store, path);
  if (condition.kind === 'none') return;
  const current = store.view().tree.read(path)?.revision ?? null;
  if (condition.kind === 'absent') {
    if (current !== null) throw refused(refuse('exists', { current_revision: current }));
    return;
  }
  const passes =
    current !== null && (condition.kind === 'exists' || condition.oneOf.includes(current));
  if (!passes) throw refused(refuse('conflict', { current_revision: current }));
}

function fileAt(
  store: OpenStore,
  path: Path,
): { readonly hash: string; readonly size: number; readonly revision: Seq } | null {
  const leaf = store.view().tree.leaf(path);
  const file = leaf === undefined ? null : fileEntry(leaf.value);
  if (file === null || leaf === undefined) return null;
  return { hash: file.hash, size: file.size, revision: leaf.revision };
}

/** Whether the commit wrote where nothing was, by what it removed; of one long past, nobody knows. */
async function isNew({ store }: Room, seq: Seq, path: Path): Promise<boolean> {
  const [own] = await store.read(seq - 1, seq);
  if (own?.seq !== seq || own.removed.some((entry) => entry.path === path)) return false;
  if (own.tx === null || seq === 1) return true;
  const [before] = await store.read(seq - 2, seq - 1);
  return before?.tx !== own.tx || before.path !== path;
}

function labelOf(c: Context): FileLabel {
  const filename = paramOf(c, 'filename') ?? filenameIn(c.req.header('content-disposition'));
  const contentType = c.req.header('content-type') ?? 'application/octet-stream';
  if ((filename?.length ?? 0) > nameMax || contentType.length > nameMax) {
    throw invalid('A filename and a content type have at most 1024 characters.');
  }
  // Two headers come as one, with a comma; one that has a comma itself has it in quotes.
  if (/^(?:[^",]|"(?:[^"\\]|\\.)*")*,/.test(contentType)) throw invalid('Send one Content-Type.');
  if (/\p{Surrogate}/u.test(filename ?? '')) throw invalid('The filename is not Unicode.');
  return { filename, contentType };
}

/** What the content is said to be, by our header or by `Repr-Digest` (RFC 9530). */
function hashOf(c: Context): BlobHash | null {
  const said = c.req.header('holdfast-content-hash')?.trim();
  const digests = c.req.header('repr-digest') ?? '';
  const digest = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(digests);
  // Who says what it is, believes that it is looked at.
  if (digest === null && /(?:^|,)\s*sha-256\s*=/i.test(digests)) {
    throw invalid('Repr-Digest is sha-256=:<base64 of 32 bytes>:.');
  }
  const hex = Buffer.from(digest?.[1] ?? '', 'base64').toString('hex');
  if (said === undefined) return hex === '' ? null : `sha256:${hex}`;
  if (!isBlobHash(said)) throw invalid('Holdfast-Content-Hash is sha256: and 64 hex digits.');
  if (hex !== '' && said !== `sha256:${hex}`) throw new Problem(422, 'digest_mismatch');
  return said;
}

function pieceOf(c: Context): Piece | null {
  const header = c.req.header('content-range');
  if (header === undefined) return null;
  const piece = readPiece(header);
  if (piece === null) throw invalid('Content-Range is bytes <a>-<b>/<total>, or bytes */<total>.');
  return piece;
}

/** The bytes of the body; it ends with an error where they stop coming, or are not as many as were announced. */
async function* bodyOf(
  c: Context,
  deps: HttpDeps,
  { principal, length }: { readonly principal: Principal; readonly length?: number },
): AsyncIterable<Uint8Array> {
  let size = 0;
  const coming = lively(c.req.raw.body, forStreams);
  for await (const bytes of whileAllowed(coming, () => whyShutOut(deps, c, principal))) {
    size += bytes.byteLength;
    if (length !== undefined && size > length) throw invalid('The body is longer than its range.');
    yield bytes;
  }
  if (length !== undefined && size < length) throw invalid('The body is shorter than its range.');
}

function fail(files: HttpDeps['files'], { principal, row }: Target, error: unknown): never {
  if (error instanceof Problem) throw error;
  throw refused(files.toldTo(principal, row, files.refusalOf(error)));
}

function invalid(detail: string): Problem {
  return new Problem(400, 'invalid_params', { detail });
}
