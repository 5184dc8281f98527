import { HoldfastError, type UploadEntry } from '@holdfast/protocol';
import {
  type AllowUploadReply,
  type UploadFaultCode,
  uploadFaults,
} from '@holdfast/protocol/views';
import type { SelectedFile, UploadFile, UploadOutcome } from './upload.ts';

/** What the server has said of a file that was asked for. */
export function selectedOf(
  file: UploadFile,
  place: string,
  { entries, errors }: AllowUploadReply,
): SelectedFile {
  const grant = Object.hasOwn(entries, place) ? entries[place] : undefined;
  if (grant !== undefined) return { file, ref: grant.entry_ref };
  const { preflight_rejected: message } = uploadFaults;
  const told = errors.find(({ client_ref: ref }) => ref === place)?.error;
  return { file, error: told ?? { code: 'preflight_rejected', message } };
}

/** What became of a file that the server has: an error where it says so. */
export function endOf(ref: string, entry: UploadEntry | undefined): UploadOutcome {
  const error = entry?.errors.at(-1);
  const isFailed = entry?.status === 'error' && error !== undefined;
  return isFailed ? { ref, status: 'error', error } : { ref, status: 'success' };
}

/** Which fault the refusal of a chunk is, before the root has told of it (views.md §10.3). */
const refusals: ReadonlyMap<string, UploadFaultCode> = new Map([
  ['chunk too large', 'chunk_too_large'],
  ['upload too large', 'too_large'],
  ['write failed', 'internal'],
  ['not_accepted', 'not_accepted'],
]);

/** What became of a file that could not be brought on: what the server says of it counts. */
export function outcomeOf(
  error: unknown,
  of: {
    readonly ref: string;
    readonly entry: UploadEntry | undefined;
    readonly isAborted: boolean;
  },
): UploadOutcome {
  const { ref, entry, isAborted } = of;
  // It had all of it, and its answer was lost: the token is good for nothing now.
  if (entry?.status === 'success') return { ref, status: 'success' };
  const problem = entry?.errors.at(-1);
  if (problem !== undefined) return { ref, status: 'error', error: problem };
  const code = error instanceof HoldfastError ? error.code : 'external_failed';
  // The server that let it in is gone, or what it knew of it: nobody says no to a file.
  const isUnknown = code === 'unauthorized' && entry === undefined;
  const isLost = code === 'disconnected' || isUnknown;
  if (isAborted || isLost) return { ref, status: 'cancelled' };
  const fault = refusals.get(code);
  if (fault !== undefined) {
    return { ref, status: 'error', error: { code: fault, message: uploadFaults[fault] } };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { ref, status: 'error', error: { code, message } };
}
