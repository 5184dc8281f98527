import type { OpId, Path, Seq } from '../brand.ts';
import { isBase64 } from '../envelope.ts';
import { isObject } from '../json.ts';
import type { PutFile } from '../op.ts';
import { isReservedPath, type PathLimits } from '../path.ts';
import { isRefusal, type Refusal, refuse } from '../refusals.ts';
import {
  invalidField,
  isCount,
  isString,
  isText,
  orNull,
  readShape,
  type Shape,
} from '../shape.ts';
import { checkGuards } from './check.ts';
import { draftGuards, type ReadOptions } from './guards.ts';
import { readOpId } from './op-id.ts';
import { readPath } from './place.ts';

/** Reads a `put_file` push (stores.md §7.5); size limits of the content are those of the frame and of files. */
export function parsePutFile(
  payload: unknown,
  options: ReadOptions<PathLimits>,
): PutFile | Refusal {
  if (!isObject(payload)) return invalidField('payload');
  const path = readPath(payload, options.limits);
  if (isRefusal(path)) return path;
  if (isReservedPath(path)) return refuse('reserved_path');
  const file = readShape(payload, upload);
  if (isRefusal(file)) return file;
  const { content, filename, content_type: contentType } = file;
  if (!isBase64(content)) return refuse('invalid_base64');
  const guards = draftGuards(payload);
  const refusal = checkGuards({ op: 'put_file', ...guards }, options.limits);
  if (refusal !== null) return refusal;
  const leafOnly = guards.ifMatch !== undefined && options.dialect === 3 && { leafOnly: true };
  const draft = { op: 'put_file', path, content, filename, contentType, ...guards, ...leafOnly };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of it is checked
  return draft as PutFile;
}

type Upload = {
  readonly content: string;
  readonly filename: string | null;
  readonly content_type: string | null;
};

const upload: Shape<Upload> = {
  content: isString,
  filename: orNull(isName),
  content_type: orNull(isName),
};

// They become part of an entry, so they are text of bounded length.
function isName(value: unknown): value is string {
  return isText(value, 1024);
}

/** A `rollback` push (stores.md §7.5): to a seq, of a path or, without one, of the whole store. */
export type Rollback = { readonly path: Path | null; readonly toSeq: Seq };

/** What a rollback does not look at (stores.md §7.5), and who gives one would rely on. */
const guards = ['fence', 'if_match', 'if_absent', 'preconditions'];

/** Reads a `rollback` push; whether the seq is one of the store is for the authority to say (stores.md §13.3.1). */
export function readRollback(payload: unknown, limits: PathLimits): Rollback | Refusal {
  if (!isObject(payload)) return invalidField('payload');
  const { path, path_segments: segments, to_seq: toSeq } = payload;
  if (toSeq === undefined || toSeq === null) return invalidField('to_seq');
  const isGuarded = guards.some((name) => (payload[name] ?? null) !== null);
  if (isGuarded) return refuse('invalid_precondition', { detail: 'A rollback takes no guards.' });
  // Below 0 is older than all that is kept.
  if (typeof toSeq !== 'number' || !Number.isSafeInteger(toSeq)) return refuse('invalid_seq');
  if ((path ?? segments ?? null) === null) return { path: null, toSeq };
  const read = readPath(payload, limits);
  if (isRefusal(read)) return read;
  return isReservedPath(read) ? refuse('reserved_path') : { path: read, toSeq };
}

/** Reads an `ack_seq` push. */
export function readAckSeq(payload: unknown): Seq | Refusal {
  const seq = isObject(payload) ? payload['seq'] : null;
  return isCount(seq) ? seq : invalidField('seq');
}

/** Reads an `op_status` push (stores.md §10.7.1). */
export function readOpStatus(payload: unknown): OpId | Refusal {
  return isObject(payload) ? readOpId(payload) : invalidField('payload');
}
