import type { Quotas } from '@holdfast/engine/authority';
import type { EpochMs, Limits } from '@holdfast/protocol';
import type { Blobs } from '../blobs/index.ts';
import type { Principal } from '../access/index.ts';
import type { FilePlace, Storage, StoreRow } from '../storage/port.ts';

/** The time, and what is to happen later. */
export type FileClock = {
  /** Epoch milliseconds. */
  wall(): EpochMs;
  /** Monotonic milliseconds. */
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
};

/** What the rules of records hide from somebody (records.md §17). */
export type FileSight = {
  /** Whether they may hide something of a store, whatever is there. */
  mayHide(principal: Principal, store: StoreRow): boolean;
  /** Whether they hide the entry. */
  hides(principal: Principal, place: FilePlace): Promise<boolean>;
};

/** What files are made of: the bytes, and who names them. */
export type FilesRoom = {
  readonly blobs: Blobs;
  readonly storage: Pick<Storage, 'files' | 'settled'>;
  readonly limits: Pick<Limits, 'max_file_bytes'>;
  readonly quotas?: Quotas;
  readonly clock: FileClock;
  /** Default: records hide nothing. */
  readonly sight?: FileSight;
  /** Something failed that nobody asked for: the operator's log. */
  readonly report: (what: string, error: unknown) => void;
};
