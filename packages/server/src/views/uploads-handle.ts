import { KEEP } from '@holdfast/engine/view';
import type { Soon } from './env.ts';
import type { FenceGuard, WriteGuard } from './store-handle.ts';

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
  /**
   * Puts the bytes into a file of a store, and a reference to it at the path. Rejects with `conflict`, `exists` or `fenced` where
   * what is asked for does not hold (stores.md §5.1).
   */
  saveTo(
    store: { readonly name: string },
    path: string | readonly string[],
    guard?: FenceGuard & WriteGuard,
  ): Promise<{ readonly seq: number }>;
};

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
