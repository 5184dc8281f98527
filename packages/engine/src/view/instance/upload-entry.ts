import {
  type UploadConfig,
  type UploadEntry,
  type UploadFault,
  type UploadFaultCode,
  uploadFaults,
  type UploadOp,
  type UploadStatus,
  type UploadWish,
} from '@holdfast/protocol/views';
import type { UploadDefinition, UploadItem } from '../definition.ts';
import type { ViewNode } from './node.ts';
import type { Caller } from './scope.ts';

/** One file of one subscriber, from the moment that it is let in. */
export type Entry = {
  readonly ref: string;
  readonly node: ViewNode;
  readonly upload: string;
  readonly definition: UploadDefinition;
  /** Who has brought it. */
  readonly owner: Caller;
  readonly wish: AcceptedWish;
  mode: 'channel' | 'external';
  readonly since: number;
  /** Whether clients know of it. */
  isOpen: boolean;
  status: UploadStatus;
  progress: number;
  readonly errors: UploadFault[];
  /** Before this no other progress is told. */
  quietUntil: number;
  /** A progress waits for that. */
  isQuiet: boolean;
  /** Application code is being asked whether it is there. */
  isVerifying: boolean;
  /** A task has it, or has taken it, and is not committed yet. */
  isTaken: boolean;
};

/** A file that passed the checks of the preflight. */
export type AcceptedWish = {
  readonly client_ref: string;
  readonly name: string;
  readonly size: number;
  readonly type: string;
};

/** An error as it is told. */
export function faultOf(code: UploadFaultCode): UploadFault {
  return { code, message: uploadFaults[code] };
}

/** What clients are told of the limits of an upload. */
export function configOf(definition: UploadDefinition): UploadConfig {
  const { accept, maxEntries = 1, maxFileSize = 8_000_000, chunkSize = 64_000 } = definition;
  return {
    accept,
    max_entries: maxEntries,
    max_file_size: maxFileSize,
    chunk_size: chunkSize,
  };
}

/** Looks at one file before it is let in: what is well-formed of it, or why not (views.md §10.1). */
export function checkWish(
  { client_ref: ref, name, size, type }: UploadWish,
  config: UploadConfig,
  { tracked, admits }: { readonly tracked: number; readonly admits: (bytes: number) => boolean },
): AcceptedWish | UploadFault {
  if (ref === null || name === null || size === null) return faultOf('preflight_rejected');
  if (tracked >= config.max_entries) return faultOf('too_many_files');
  if (size > config.max_file_size) return faultOf('too_large');
  if (!isAccepted(name, config.accept)) return faultOf('not_accepted');
  return admits(size) ? { client_ref: ref, name, size, type } : faultOf('preflight_rejected');
}

function isAccepted(name: string, accept: UploadConfig['accept']): boolean {
  if (accept === 'any') return true;
  const lower = name.toLowerCase();
  return accept.some((extension) => lower.endsWith(extension.toLowerCase()));
}

/** The entry as application code sees it. */
export function itemOf({ ref, wish, progress, status }: Entry): UploadItem {
  const { name, size, type } = wish;
  return { ref, name, size, type, progress, status };
}

/** Where an op of an entry belongs. */
export function addressOf({ upload, node }: Pick<Entry, 'upload' | 'node'>): {
  readonly upload: string;
  readonly store_id: readonly string[];
} {
  return { upload, store_id: node.storeId };
}

/** The op that tells of the entry as it is. */
export function addOp(entry: Entry): UploadOp {
  const { ref, wish, progress, status, errors } = entry;
  const told: UploadEntry = {
    ref,
    client_name: wish.name,
    client_size: wish.size,
    client_type: wish.type,
    progress,
    status,
    errors: [...errors],
  };
  return { op: 'add', ...addressOf(entry), ref, entry: told };
}
