import {
  fenceOf,
  type Fencing,
  isRefusal,
  type Path,
  type Precondition,
  type Refusal,
  toPath,
  type Transaction as TransactionRequest,
  type Write,
} from '@holdfast/protocol';
import { toEnvelope, type Writable } from './envelopes.ts';
import { type AbsentOptions, type MatchOptions, type PathInput, Writes } from './writes.ts';

type OpGuards = MatchOptions & AbsentOptions;

/**
 * Collects the ops and conditions of a transaction: all of them or nothing (stores.md §10.5). Ops see the effects of the
 * ones before; conditions see the state before the transaction.
 */
export class Transaction extends Writes<void, OpGuards> {
  readonly #ops: Write[] = [];
  readonly #preconditions: Precondition[] = [];
  #refusal: Refusal | null = null;

  constructor() {
    super(false);
  }

  /** The path must have this revision. */
  ifMatch(path: PathInput, revision: number): void {
    this.#require(path, (at) => ({ kind: 'if_match', path: at, revision }));
  }

  /** There must be nothing at the path. */
  ifAbsent(path: PathInput): void {
    this.#require(path, (at) => ({ kind: 'if_absent', path: at }));
  }

  /** There must be something at the path. */
  exists(path: PathInput): void {
    this.#require(path, (at) => ({ kind: 'exists', path: at }));
  }

  /** What is at the path must equal the value. */
  equals(path: PathInput, value: Writable): void {
    this.#require(path, (at) => ({ kind: 'equals', path: at, value: toEnvelope(value) }));
  }

  /** The lease must be held. */
  fence(lease: Fencing): void {
    const fence = fenceOf(lease);
    if (isRefusal(fence)) this.#refuse(fence, { precondition_index: this.#preconditions.length });
    else this.#preconditions.push({ kind: 'fence', fence });
  }

  /** The request that was collected, or the first thing that is wrong with it. */
  request(): TransactionRequest | Refusal {
    return this.#refusal ?? { op: 'transact', ops: this.#ops, preconditions: this.#preconditions };
  }

  protected override emit(write: Write | Refusal): void {
    if (isRefusal(write)) this.#refuse(write, { op_index: this.#ops.length });
    else this.#ops.push(write);
  }

  #require(path: PathInput, make: (path: Path) => Precondition): void {
    const at = toPath(path);
    const index = { precondition_index: this.#preconditions.length };
    if (isRefusal(at)) this.#refuse(at.with({ path }), index);
    else this.#preconditions.push(make(at));
  }

  #refuse(refusal: Refusal, where: { readonly [field: string]: number }): void {
    this.#refusal ??= refusal.with(where);
  }
}
