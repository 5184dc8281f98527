import { isObject, type Json } from '../../json.ts';
import { isRefusal, type Refusal, refuse } from '../../refusals.ts';
import { isString, isStrings } from '../../shape.ts';
import { isNodeId, type NodeId } from './tree.ts';

/** The limits that an upload declares, as its client is told them (views.md §10.1). */
export type UploadConfig = {
  readonly accept: readonly string[] | 'any';
  readonly max_entries: number;
  readonly max_file_size: number;
  readonly chunk_size: number;
};

/** What went wrong with a file; clients take any code. */
export type UploadFault = { readonly code: string; readonly message: string };

/** The codes that servers give, with what they say (views.md §10.1). */
export const uploadFaults = {
  too_large: 'file exceeds the maximum size',
  too_many_files: 'too many files selected',
  not_accepted: 'file type is not accepted',
  chunk_timeout: 'upload timed out between chunks',
  chunk_too_large: 'chunk size exceeded the configured limit',
  external_failed: 'external upload failed',
  preflight_rejected: 'upload was rejected',
  internal: 'internal upload error',
} as const;

/** A code of {@link uploadFaults}. */
export type UploadFaultCode = keyof typeof uploadFaults;

const statuses = ['pending', 'uploading', 'success', 'error', 'cancelled'] as const;

/** How far one file is. */
export type UploadStatus = (typeof statuses)[number];

/** One file, as everybody who may see it is told of it (views.md §10.2). */
export type UploadEntry = {
  readonly ref: string;
  readonly client_name: string;
  readonly client_size: number;
  readonly client_type: string;
  readonly progress: number;
  readonly status: UploadStatus;
  readonly errors: readonly UploadFault[];
};

/** What changed of an upload (views.md §10.2). */
export type UploadOp = { readonly upload: string; readonly store_id: NodeId } & (
  | { readonly op: 'config'; readonly config: UploadConfig }
  | { readonly op: 'add'; readonly ref: string; readonly entry: UploadEntry }
  | { readonly op: 'progress'; readonly ref: string; readonly progress: number }
  | { readonly op: 'complete' | 'cancel'; readonly ref: string }
  | { readonly op: 'error'; readonly ref?: string; readonly error: UploadFault }
  | { readonly op: 'reset' }
);

type OpGuard = (op: { readonly [field: string]: unknown }) => boolean;

const opGuards: { readonly [op in UploadOp['op']]: OpGuard } = {
  config: ({ config }) => isUploadConfig(config),
  add: ({ ref, entry }) => isString(ref) && isUploadEntry(entry),
  progress: ({ ref, progress }) => isString(ref) && Number.isFinite(progress),
  complete: ({ ref }) => isString(ref),
  cancel: ({ ref }) => isString(ref),
  error: ({ ref = '', error }) => isString(ref) && isUploadFault(error),
  reset: () => true,
};

/** Whether an op can be applied; those of unknown names are ignored, not refused (views.md §10.2). */
export function isUploadOp(op: unknown): op is UploadOp {
  if (!isObject(op) || !isString(op['upload']) || !isNodeId(op['store_id'])) return false;
  const { op: name } = op;
  return isOpName(name) && opGuards[name](op);
}

function isOpName(name: unknown): name is UploadOp['op'] {
  return isString(name) && Object.hasOwn(opGuards, name);
}

function isUploadConfig(value: unknown): value is UploadConfig {
  if (!isObject(value)) return false;
  const { accept, max_entries: entries, max_file_size: size, chunk_size: chunk } = value;
  return (accept === 'any' || isStrings(accept)) && [entries, size, chunk].every(Number.isFinite);
}

function isUploadEntry(value: unknown): value is UploadEntry {
  if (!isObject(value)) return false;
  const { client_size: size, progress, status, errors } = value;
  const texts = [value['ref'], value['client_name'], value['client_type']];
  return (
    texts.every(isString) &&
    [size, progress].every(Number.isFinite) &&
    statuses.some((known) => known === status) &&
    Array.isArray(errors) &&
    errors.every(isUploadFault)
  );
}

function isUploadFault(value: unknown): value is UploadFault {
  return isObject(value) && isString(value['code']) && isString(value['message']);
}

/** Which upload of which node a request is about. */
export type UploadAddress = { readonly store_id: NodeId; readonly name: string };

/** One file that a client wants to send; what is ill-formed of it is null, and refuses this file alone. */
export type UploadWish = {
  readonly client_ref: string | null;
  readonly name: string | null;
  readonly size: number | null;
  readonly type: string;
};

/** How an accepted file is to be sent (views.md §10.1). */
export type UploadGrant =
  | { readonly type: 'channel'; readonly entry_ref: string; readonly token: string }
  | {
      readonly type: 'external';
      readonly entry_ref: string;
      readonly uploader: string;
      readonly meta: Json;
    };

/** The reply to `allow_upload`. */
export type AllowUploadReply = {
  readonly ref: string;
  readonly config: UploadConfig;
  /** By `client_ref`. */
  readonly entries: { readonly [clientRef: string]: UploadGrant };
  readonly errors: readonly { readonly client_ref: string; readonly error: UploadFault }[];
};

/** Reads the payload of `allow_upload`. */
export function readAllowUpload(
  payload: unknown,
): (UploadAddress & { readonly entries: readonly UploadWish[] }) | Refusal {
  const address = readAddress(payload);
  const entries = isObject(payload) ? payload['entries'] : null;
  if (address === null || !Array.isArray(entries)) return refuse('missing required field');
  return { ...address, entries: entries.map(readWish) };
}

function readWish(entry: unknown): UploadWish {
  const {
    client_ref: ref,
    name,
    size,
    type,
  }: { readonly [field: string]: unknown } = isObject(entry) ? entry : {};
  return {
    client_ref: isString(ref) && ref !== '' ? ref : null,
    name: isString(name) && name !== '' ? name : null,
    size: Number.isSafeInteger(size) && Number(size) >= 0 ? Number(size) : null,
    type: isString(type) ? type : '',
  };
}

/** Reads the payload of `cancel_upload` and of `refresh_upload`. */
export function readUploadRef(
  payload: unknown,
): (UploadAddress & { readonly ref: string }) | Refusal {
  const address = readAddress(payload);
  const ref = isObject(payload) ? payload['ref'] : null;
  return address === null || !isString(ref) || ref === ''
    ? refuse('missing required field')
    : { ...address, ref };
}

/** Reads the payload of `upload_progress`; clamps what it claims (views.md §10.1). */
export function readUploadProgress(
  payload: unknown,
): (UploadAddress & { readonly ref: string; readonly progress: number }) | Refusal {
  const read = readUploadRef(payload);
  if (isRefusal(read)) return read;
  const progress = isObject(payload) ? payload['progress'] : undefined;
  if (progress === undefined) return refuse('missing required field');
  const claimed = Number.isInteger(progress) ? Number(progress) : 0;
  return { ...read, progress: Math.min(100, Math.max(0, claimed)) };
}

/** Longer than this no client's message is kept (views.md §10.1). */
const messageMax = 200;

/** Reads the payload of `upload_error`; its code is not asked for: it becomes `external_failed`. */
export function readUploadError(
  payload: unknown,
): (UploadAddress & { readonly ref: string; readonly message: string }) | Refusal {
  const read = readUploadRef(payload);
  if (isRefusal(read)) return read;
  const message = isObject(payload) ? payload['message'] : null;
  const said = isString(message) ? message.slice(0, messageMax) : uploadFaults.external_failed;
  return { ...read, message: said };
}

function readAddress(payload: unknown): UploadAddress | null {
  if (!isObject(payload)) return null;
  const { store_id: id = [], name } = payload;
  return isNodeId(id) && isString(name) && name !== '' ? { store_id: id, name } : null;
}

/** Reads the reply to `allow_upload`; null: it is none. */
export function readAllowUploadReply(response: unknown): AllowUploadReply | null {
  if (!isObject(response)) return null;
  const { ref, config, entries, errors } = response;
  if (!isString(ref) || !isUploadConfig(config) || !isObject(entries)) return null;
  if (!isGrants(entries) || !Array.isArray(errors) || !errors.every(isWishFault)) return null;
  return { ref, config, entries, errors };
}

function isGrants(entries: {
  readonly [ref: string]: unknown;
}): entries is AllowUploadReply['entries'] {
  return Object.values(entries).every((grant) => {
    if (!isObject(grant) || !isString(grant['entry_ref'])) return false;
    const { type, token, uploader } = grant;
    return type === 'channel' ? isString(token) : type === 'external' && isString(uploader);
  });
}

function isWishFault(error: unknown): error is AllowUploadReply['errors'][number] {
  return isObject(error) && isString(error['client_ref']) && isUploadFault(error['error']);
}

/** Reads the payload of a join of `musubi_upload:<entry_ref>` (views.md §10.3). */
export function readUploadJoin(
  payload: unknown,
): { readonly token: string; readonly resume: boolean } | Refusal {
  const token = isObject(payload) ? payload['token'] : null;
  if (!isObject(payload) || !isString(token)) return refuse('unauthorized');
  return { token, resume: payload['resume'] === true };
}
