import type { AnyContext } from './task-context.ts';
import type { Soon } from './env.ts';
import type { UploadedEntry } from './uploads-handle.ts';

/** What is asked of an upload outside of a task: it reads the node, and the principal is its owner. */
export interface UploadContext extends Pick<
  AnyContext,
  'principal' | 'params' | 'id' | 'state' | 'signal' | 'store'
> {}

/** What tasks of an upload are given: its node, and as principal its owner. */
export interface UploadTaskContext extends AnyContext {}

/** What an upload takes, and how (views.md §10.5). */
export type UploadOptions = {
  /** File-name extensions with their dot, or anything. */
  readonly accept: readonly string[] | 'any';
  /** Default: 1. */
  readonly maxEntries?: number;
  /** Bytes; default: 8,000,000. */
  readonly maxFileSize?: number;
  /** Bytes; default: 64,000. */
  readonly chunkSize?: number;
  /** Milliseconds; default: 10,000. */
  readonly chunkTimeout?: number;
  /** Whether the first 4 KiB must be what the extension says, or what decides that. */
  readonly sniff?: boolean | ((head: Uint8Array, entry: UploadedEntry) => Soon<boolean>);
  /** Where the client brings the bytes instead; null: to us, over a channel. What takes longer than the view's `timeout` refuses the file. */
  readonly external?: (
    ctx: UploadContext,
    entry: UploadedEntry,
  ) => Soon<{ readonly uploader: string; readonly meta: object } | null>;
  /** Whether what a client says it has brought elsewhere is there; what takes longer than the view's `timeout` says that it is not. */
  readonly verify?: (ctx: UploadContext, entry: UploadedEntry) => Soon<boolean>;
  readonly onProgress?: (ctx: UploadTaskContext, entry: UploadedEntry) => Soon<void>;
  readonly onComplete?: (ctx: UploadTaskContext, entry: UploadedEntry) => Soon<void>;
  readonly onError?: (
    ctx: UploadTaskContext,
    entry: UploadedEntry,
    error: { readonly code: string; readonly message: string },
  ) => Soon<void>;
};

/** A declared upload; made by {@link upload}. */
export type UploadDeclaration = UploadOptions & { readonly kind: 'upload' };

/** Declares an upload. Throws a `TypeError` or `RangeError` for options that cannot be. */
export function upload(options: UploadOptions): UploadDeclaration {
  const { accept } = options;
  if (accept !== 'any' && !(Array.isArray(accept) && accept.every(isExtension))) {
    throw new TypeError('upload: "accept" must be "any" or extensions such as ".png".');
  }
  for (const name of ['maxEntries', 'maxFileSize', 'chunkSize', 'chunkTimeout'] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      throw new RangeError(`upload: "${name}" must be a positive integer.`);
    }
  }
  return Object.freeze({ ...options, kind: 'upload' });
}

function isExtension(text: unknown): boolean {
  return typeof text === 'string' && /^\.[^./\\]+(\.[^./\\]+)*$/.test(text);
}
