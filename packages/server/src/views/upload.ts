import { KEEP } from '@holdfast/engine/view';
import type { Soon } from './env.ts';
import type { Principal } from '../access/index.ts';

/** An entry of an upload, as its tasks see it (views.md §10). */
export type UploadedEntry = {
  readonly ref: string;
  readonly name: string;
  readonly size: number;
  readonly type: string;
  readonly progress: number;
  readonly status: 'pending' | 'uploading' | 'success' | 'error' | 'cancelled';
};

/** The bytes of an entry that came over a channel (views.md §10.5). */
export type UploadedFile = {
  readonly path: string;
  readonly size: number;
  stream(): AsyncIterable<Uint8Array>;
  /** Hexadecimal. */
  sha256(): Promise<string>;
  /** Puts the bytes into a file of a store, and a reference to it at the path. */
  saveTo(
    store: { readonly name: string },
    path: string | readonly string[],
  ): Promise<{ readonly seq: number }>;
};

/** What hooks of an upload are given: its owner, and the node. */
export type UploadContext = {
  readonly principal: Principal;
  readonly params: unknown;
  readonly id: string;
  readonly state: unknown;
  readonly signal: AbortSignal;
};

/** What tasks of an upload are given: they may change the node. */
export type UploadTaskContext = UploadContext & {
  update<State>(change: State | ((draft: State) => State | void)): void;
  send(name: string, payload: unknown): void;
};

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

/** The uploads of a node; in shared views, of who commands (views.md §10.5). */
export type UploadsHandle<Declarations> = {
  entries(name: keyof Declarations & string): readonly UploadedEntry[];
  cancel(name: keyof Declarations & string, ref: string): void;
  /** Visits the completed entries in order, and forgets each unless its visit throws or returns {@link KEEP}. */
  consume<Result>(
    name: keyof Declarations & string,
    visit: (entry: UploadedEntry, file: UploadedFile | null) => Soon<Result | typeof KEEP>,
  ): Promise<readonly Result[]>;
};

export { KEEP };
