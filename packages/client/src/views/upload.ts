import type { UploadProblem, UploadState } from '@holdfast/protocol';
import type { NodeKey } from '@holdfast/engine/mirror';

/** A file to send: a `File`, or bytes with a name. */
export type UploadFile = Blob & { readonly name: string };

/** What an uploader is given: a file and where it goes, by the server's word. */
export type UploadJob = {
  readonly file: UploadFile;
  readonly meta: unknown;
  /** Aborts when the entry is cancelled. */
  readonly signal: AbortSignal;
  /** Tells how much is there, 0 to 100. */
  readonly progress: (percent: number) => void;
};

/** Brings a file to where the server said, not through Holdfast (views.md §10.4). */
export type Uploader = (job: UploadJob) => Promise<void>;

/** How the upload of one file ended. */
export type UploadOutcome = {
  readonly ref: string;
  readonly status: 'success' | 'error' | 'cancelled';
  readonly error?: UploadProblem;
};

/** What became of a selected file: the entry that it is now, or why it was not accepted. */
export type SelectedFile =
  | { readonly file: UploadFile; readonly ref: string; readonly error?: undefined }
  | { readonly file: UploadFile; readonly ref?: undefined; readonly error: UploadProblem };

/** `autoStart`: sends at once what is accepted. */
export type SelectOptions = { readonly autoStart?: boolean };

/** `concurrency`: so many files at a time, 3 by default. */
export type StartOptions = { readonly concurrency?: number };

/** Where an upload stands in its root. */
export type UploadSlot = { readonly node: NodeKey; readonly name: string };

/** An upload of a node: its state, and what can be done with it (views.md §12.11). */
export interface UploadHandle extends UploadState {
  /** Announces files to the server, which accepts each or not: what became of each, in their order. Rejects where it could not be asked. */
  readonly select: (
    files: Iterable<UploadFile>,
    options?: SelectOptions,
  ) => Promise<readonly SelectedFile[]>;
  /** Sends what has not been sent; never rejects for a file. */
  readonly start: (options?: StartOptions) => Promise<readonly UploadOutcome[]>;
  /** Takes back one entry, also one whose file is there, or ends all that are on their way. */
  readonly cancel: (ref?: string) => Promise<void>;
  /** Forgets entries and errors that are over. */
  readonly reset: () => Promise<void>;
}
