import type { FileWrite, NamedFile } from '@holdfast/engine/data';
import {
  isObject,
  isRefusal,
  type Json,
  type Mutate,
  type Refusal,
  type Request,
  type Write,
} from '@holdfast/protocol';
import { contentOf } from '../storage/batch.ts';
import type { FileContent } from '../storage/port.ts';

const none: readonly NamedFile[] = [];

/** The files that a request wants to write by their envelopes (stores.md §14.4). */
export function filesNamedBy(request: Request | FileWrite | Refusal): readonly NamedFile[] {
  // What was just uploaded is held.
  if (isRefusal(request) || request.op === 'put_file') return none;
  if (request.op !== 'transact') return filesIn(request, undefined);
  return request.ops.flatMap((op, opIndex) => filesIn(op, opIndex));
}

function filesIn(op: Write | Mutate, opIndex: number | undefined): readonly NamedFile[] {
  if (!('value' in op) || !isObject(op.value)) return none;
  const found: NamedFile[] = [];
  collect(op.value, (file) => found.push(opIndex === undefined ? file : { ...file, opIndex }));
  return found;
}

// Files are leaves: never inside an array (stores.md §3.1.3), and an envelope of another kind is text.
function collect(value: Json, found: (file: FileContent) => void): void {
  if (!isObject(value)) return;
  const file = contentOf(value);
  if (file !== null) found(file);
  else for (const child of Object.values(value)) collect(child, found);
}
