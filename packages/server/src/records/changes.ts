import { writesTo } from '@holdfast/engine/record';
import {
  fenceOf,
  type Fencing,
  isObject,
  isPromised,
  isRefusal,
  type Json,
  type Path,
  type Precondition,
  type RecordDef,
  type RecordRef,
  RejectedError,
  type Request,
  type Stored,
  type Write,
} from '@holdfast/protocol';
import { decodeStored, storedForm } from '@holdfast/protocol/record';

/** One object in a transaction of the server: as it is by then, and its writes. */
export type ServerTxRecord<R> = {
  get(): Stored<R> | undefined;
  /** Puts a value in the place of the object, or makes it. */
  set(value: Stored<R>): void;
  /** Sets these fields, and removes those that are undefined. Throws `not_found` where there is no object. */
  patch(fields: { readonly [K in keyof Stored<R>]?: Stored<R>[K] | undefined }): void;
  remove(): void;
};

/** What a transaction of the server reads and writes: objects of one store. */
export type ServerTx = {
  record<R extends RecordDef>(ref: RecordRef<R>): ServerTxRecord<R>;
  /**
   * The lease, of the same store, must be held when the changes are committed: else all of it is refused with `fenced`
   * (stores.md §5.1.3). Where nothing is changed it is not looked at.
   */
  fence(lease: Fencing): void;
};

/** What stands in a store. */
type Standing = {
  readonly name: string;
  read(path: Path): { readonly value: Json; readonly revision: number } | undefined;
};

/** What a transaction has made of one object so far. */
class Draft<R extends RecordDef> implements ServerTxRecord<R> {
  readonly #ref: RecordRef<R>;
  readonly #found: ReturnType<Standing['read']>;
  #now: Json | undefined;

  constructor(ref: RecordRef<R>, found: ReturnType<Standing['read']>) {
    this.#ref = ref;
    this.#found = found;
    this.#now = found?.value;
  }

  /** It is as it was found: what is decided rests on that. */
  get guard(): Precondition {
    const { path } = this.#ref;
    if (this.#found === undefined) return { kind: 'if_absent', path };
    return { kind: 'if_match', path, revision: this.#found.revision };
  }

  get writes(): readonly Write[] {
    const before = this.#found?.value;
    if (this.#now === before) return [];
    return writesTo(this.#ref.path, before, isObject(this.#now) ? this.#now : undefined);
  }

  get(): Stored<R> | undefined {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it has passed the schema of the record
    return (this.#now && decodeStored(this.#now)) as Stored<R> | undefined;
  }

  set(value: Stored<R>): void {
    this.#put(value);
  }

  patch(fields: object): void {
    const value: unknown = this.get();
    if (!isObject(value)) throw new RejectedError('not_found', { path: this.#ref.path });
    const next = Object.entries({ ...value, ...fields }).filter(([, each]) => each !== undefined);
    this.#put(Object.fromEntries(next));
  }

  remove(): void {
    this.#now = undefined;
  }

  #put(value: unknown): void {
    this.#now = storedForm(this.#ref.record, value).stored;
  }
}

/** What code of the server makes of objects of a store, and on what that rests. */
export class Changes implements ServerTx {
  readonly #standing: Standing;
  readonly #drafts = new Map<Path, Draft<RecordDef>>();
  readonly #fences: Precondition[] = [];

  constructor(standing: Standing) {
    this.#standing = standing;
  }

  record<R extends RecordDef>(ref: RecordRef<R>): ServerTxRecord<R> {
    const { name } = this.#standing;
    const stores = [name, ref.store];
    if (ref.store !== name) throw new RejectedError('store_mismatch', { stores });
    const draft = this.#drafts.get(ref.path) ?? new Draft(ref, this.#standing.read(ref.path));
    this.#drafts.set(ref.path, draft);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is of that definition
    return draft as unknown as ServerTxRecord<R>;
  }

  fence(lease: Fencing): void {
    const fence = fenceOf(lease);
    if (isRefusal(fence)) throw RejectedError.from(fence);
    this.#fences.push({ kind: 'fence', fence });
  }

  /** Of the objects that were looked at. */
  get paths(): readonly Path[] {
    return [...this.#drafts.keys()];
  }

  /** One commit of all that was written, if all that was looked at is still so; null: nothing is to be written. */
  get request(): Request | null {
    const drafts = [...this.#drafts.values()];
    const ops = drafts.flatMap(({ writes }) => writes);
    if (ops.length === 0) return null;
    const preconditions = [...this.#fences, ...drafts.map(({ guard }) => guard)];
    return { op: 'transact', ops, preconditions };
  }
}

/** Has a callback make its changes; throws a `TypeError` where it would wait for something. */
export function collect<T>(changes: Changes, change: (tx: ServerTx) => T): T {
  const value = change(changes);
  if (isPromised(value)) throw new TypeError('transact: the callback must not wait.');
  return value;
}
