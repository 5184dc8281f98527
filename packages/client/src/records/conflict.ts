import { ConflictError, type OpId, type RecordRef, type RejectedError } from '@holdfast/protocol';
import type { RecordReceipt } from './types.ts';

/** What met in a conflict (records.md §11.4). */
export type Clash = {
  readonly kind: 'precondition' | 'deleted' | 'schema';
  readonly opId: OpId;
  readonly ref: RecordRef;
  /** What the write was about; null: the whole object. */
  readonly fields: readonly string[] | null;
  /** What was shown when it was made, without it. */
  readonly base: unknown;
  readonly mine: unknown;
  readonly theirs: unknown;
};

/** How a conflict is resolved: by making the own write once more on top of theirs, by dropping it, or by a value. */
export type Resolution = 'mine' | 'theirs' | { readonly value: unknown };

/** An own write of a record that met another's; it waits in the record's state until it is resolved. */
export class RecordConflictError extends ConflictError implements Clash {
  readonly kind: Clash['kind'];
  readonly opId: OpId;
  readonly ref: RecordRef;
  readonly fields: readonly string[] | null;
  readonly base: unknown;
  readonly mine: unknown;
  readonly theirs: unknown;
  readonly #resolve: (how: Resolution) => RecordReceipt<unknown> | undefined;

  constructor(
    refusal: RejectedError,
    clash: Clash,
    resolve: (how: Resolution) => RecordReceipt<unknown> | undefined,
  ) {
    super(refusal.code, refusal.details);
    this.kind = clash.kind;
    this.opId = clash.opId;
    this.ref = clash.ref;
    this.fields = clash.fields;
    this.base = clash.base;
    this.mine = clash.mine;
    this.theirs = clash.theirs;
    this.#resolve = resolve;
  }

  /** Ends the conflict; to resolve it again does nothing. */
  resolve(how: Resolution): RecordReceipt<unknown> | undefined {
    return this.#resolve(how);
  }
}

/** The conflicts of a record that are not resolved yet. */
export class Conflicts {
  /** Another list at each change. */
  list: readonly ConflictError[] = [];

  add(conflict: ConflictError): void {
    this.list = Object.freeze([...this.list, conflict]);
  }

  /** Says whether it was there. */
  remove(conflict: ConflictError): boolean {
    const rest = this.list.filter((each) => each !== conflict);
    const isKnown = rest.length < this.list.length;
    if (isKnown) this.list = Object.freeze(rest);
    return isKnown;
  }
}
