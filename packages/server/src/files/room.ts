import type { Quotas } from '@holdfast/engine/authority';
import type { EpochMs, Limits } from '@holdfast/protocol';
import type { Blobs } from '../blobs/index.ts';
import type { Storage } from '../storage/port.ts';

/** The time, and what is to happen later. */
export type FileClock = {
  /** Epoch milliseconds. */
  wall(): EpochMs;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
};

/** What files are made of: the bytes, and who names them. */
export type FilesRoom = {
  readonly blobs: Blobs;
  readonly storage: Pick<Storage, 'files'>;
  readonly limits: Pick<Limits, 'max_file_bytes'>;
  readonly quotas?: Quotas;
  readonly clock: FileClock;
  /** Something failed that nobody asked for: the operator's log. */
  readonly report: (what: string, error: unknown) => void;
};
