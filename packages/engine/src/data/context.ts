import type {
  DeviceId,
  EpochMs,
  Fence,
  Json,
  LeaseValue,
  OpId,
  Path,
  Seq,
  ValueLimits,
  Write,
} from '@holdfast/protocol';

/** All that a decision rests on beside the state and the request. */
export type DecideContext = {
  /** The seq before the first op that is decided. */
  readonly head: Seq;
  readonly deviceId: DeviceId;
  readonly opId: OpId;
  readonly principal: string | null;
  /** The wall clock: `inserted_at`, and what a lease's `expires_at` is counted from. */
  readonly at: EpochMs;
  /** Whether a lease has not expired (stores.md §5.2.2). */
  live(path: Path, lease: LeaseValue): boolean;
  readonly limits: ValueLimits;
  /** Guards of capver 3 look at leaves only (stores.md §5.1.1); absent: 4. Same as `leafOnly` of the request. */
  readonly dialect?: 3 | 4;
  /** Passes live leases (stores.md §5.2.3). */
  readonly forced?: boolean;
};

/** A file that was uploaded, to be written as its envelope (stores.md §4.2, §14). */
export type FileWrite = {
  readonly op: 'put_file';
  readonly path: Path;
  readonly value: Json;
  readonly ifMatch?: Seq;
  readonly ifAbsent?: true;
  readonly leafOnly?: true;
  readonly fence?: Fence;
};

/** One write that the core decides. */
export type Intent = Write | FileWrite;
