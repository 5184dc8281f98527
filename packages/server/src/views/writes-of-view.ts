import type { FileWrite } from '@holdfast/engine/data';
import {
  checkGuards,
  fenceOf,
  type Fencing,
  isRefusal,
  isReservedPath,
  type Limits,
  type Path,
  refuse,
  RejectedError,
  toPath,
} from '@holdfast/protocol';
import type {
  FenceGuard,
  PathInput,
  StoreTransaction,
  StoreWrites,
  WriteGuard,
} from './store-handle.ts';

/** A write as the wire has it. */
export type Payload = {
  readonly op: string;
  readonly path: Path;
  readonly [field: string]: unknown;
};

/** The writes of a view, wherever they go. */
export abstract class WritesOfView<Result> implements StoreWrites<Result> {
  protected abstract emit(payload: Payload): Result;

  put(path: PathInput, value: unknown, guard?: FenceGuard & WriteGuard): Result {
    return this.emit({ op: 'set', path: pathOf(path), value, ...guardOf(guard) });
  }

  merge(path: PathInput, value: object, guard?: FenceGuard): Result {
    return this.emit({ op: 'merge', path: pathOf(path), value, ...guardOf(guard) });
  }

  delete(path: PathInput, guard?: FenceGuard & WriteGuard): Result {
    return this.emit({ op: 'delete', path: pathOf(path), ...guardOf(guard) });
  }

  increment(path: PathInput, by: number = 1, guard?: FenceGuard): Result {
    return this.emit({ op: 'increment', path: pathOf(path), value: by, ...guardOf(guard) });
  }

  add(path: PathInput, member: unknown, guard?: FenceGuard): Result {
    return this.emit({ op: 'add', path: pathOf(path), value: member, ...guardOf(guard) });
  }

  remove(path: PathInput, member: unknown, guard?: FenceGuard): Result {
    return this.emit({ op: 'remove', path: pathOf(path), value: member, ...guardOf(guard) });
  }
}

/** Collects a transaction. */
export class TransactionOfView extends WritesOfView<void> implements StoreTransaction {
  readonly #ops: Payload[] = [];
  readonly #preconditions: object[] = [];

  /** All of it, as the wire has it. */
  get payload(): object {
    return { ops: this.#ops, preconditions: this.#preconditions };
  }

  fence(lease: Fencing): void {
    this.#preconditions.push(fencedBy(lease));
  }

  protected override emit(payload: Payload): void {
    this.#ops.push(payload);
  }
}

function guardOf({ ifMatch, ifAbsent, fence }: FenceGuard & WriteGuard = {}): object {
  return {
    ...(ifMatch !== undefined && { if_match: ifMatch }),
    ...(ifAbsent === true && { if_absent: true }),
    ...(fence !== undefined && fencedBy(fence)),
  };
}

/** What names no lease is refused with the request, as one of a client is: it may have come from one. */
function fencedBy(lease: Fencing): object {
  const fence = fenceOf(lease);
  return { fence: !isRefusal(fence) && fence };
}

/** The path, checked; throws a `TypeError` for what is none. How long one may be that is written is looked at with the write. */
export function pathOf(path: PathInput, limits?: Limits): Path {
  const at = toPath(typeof path === 'string' ? path : [...path], limits);
  if (isRefusal(at)) throw new TypeError(`"${String(path)}" is not a path: ${at.code}.`);
  return at;
}

/** What a file is written with, beside its content: checked as a client's is. */
export function fileAt(
  path: PathInput,
  { ifMatch, ifAbsent, fence }: FenceGuard & WriteGuard = {},
  limits: Limits,
): Omit<FileWrite, 'value'> {
  const held = fence && fenceOf(fence);
  if (isRefusal(held)) throw RejectedError.from(held);
  const target = {
    op: 'put_file' as const,
    path: pathOf(path, limits),
    ...(ifMatch !== undefined && { ifMatch }),
    ...(ifAbsent === true && { ifAbsent }),
    ...(held !== undefined && { fence: held }),
  };
  const isReserved = isReservedPath(target.path);
  const fault = isReserved ? refuse('reserved_path') : checkGuards(target, limits);
  if (fault !== null) throw RejectedError.from(fault);
  return target;
}
