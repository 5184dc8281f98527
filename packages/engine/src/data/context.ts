import type {
  DeviceId,
  EpochMs,
  Fence,
  Json,
  Mutate,
  OpId,
  Path,
  Refusal,
  Seq,
  ValueLimits,
  Write,
} from '@holdfast/protocol';
import type { Tree } from './tree.ts';

/** All that a decision rests on beside the state and the request. */
export type DecideContext = {
  /** The seq before the first op that is decided. */
  readonly head: Seq;
  readonly deviceId: DeviceId;
  readonly opId: OpId;
  readonly principal: string | null;
  /** The wall clock: `inserted_at`, and what a lease's `expires_at` is counted from. */
  readonly at: EpochMs;
  readonly limits: ValueLimits;
  /** What leases forbid and allow; absent where only another can know, as on clients. */
  readonly leases?: LeaseRules;
  /** Whether a guard is judged at all, of a path and the revision that is expected there; absent: each is. */
  readonly judges?: (path: Path, revision: Seq) => boolean;
  /** The mutations of records; absent: none is known. */
  readonly mutate?: Mutator | undefined;
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
export type Intent = Write | FileWrite | Mutate;

/**
 * Runs a named change of a record on the state: the writes from what is there to its result, none where nothing changes
 * (records.md §11.2).
 */
export type Mutator = (
  tree: Tree,
  request: Mutate,
  env: Pick<DecideContext, 'opId' | 'at'>,
) => readonly Write[] | Refusal;

/** The writes that are about leases: the table of stores.md §5.2 judges them. */
export type LeaseWrite = Extract<Write, { readonly op: 'lease' | 'renew' | 'release' }>;

/** The value that a write results in, and what was asked where that differs (stores.md §1.2.2). */
export type Outcome = { readonly value: Json; readonly arg: Json };

/** What leases add to the core; {@link leaseRules} makes them (stores.md §5.1.3, §5.2). */
export type LeaseRules = {
  checkFence(tree: Tree, fence: Fence): Refusal | null;
  /** What a lease op comes to at a seq and a time; null for a release that finds nothing. */
  outcome(
    tree: Tree,
    write: LeaseWrite,
    when: Pick<DecideContext, 'at'> & { readonly seq: Seq },
  ): Outcome | Refusal | null;
  /** Refuses a request that removes or overwrites a live lease that does not fence it (§5.2.3). */
  check(
    tree: Tree,
    request: Intent,
    of: { readonly implied: readonly Path[]; readonly fences: readonly Fence[] },
  ): Refusal | null;
  /** Refuses to remove or overwrite, at or below a path, a live lease that does not fence the request. */
  checkUnder(tree: Tree, path: Path, fences: readonly Fence[]): Refusal | null;
};
