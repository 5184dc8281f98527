import {
  type Code,
  isObject,
  type RecordDef,
  type RecordRef,
  type RecordValue,
  type Request,
  segmentsOf,
  type StoreName,
} from '@holdfast/protocol';
import { decodeStored } from '@holdfast/protocol/record';
import type { RecordWrite } from '@holdfast/engine/record';
import type { DeadLetter, DeadLetters } from '../cache/port.ts';
import { type Clash, type ConflictDesk, meet } from './conflict.ts';
import type { RecordEntry } from './delivery.ts';
import { writesOf } from './pending.ts';
import type { RecordReceipt, RecordWriteOptions } from './types.ts';

/** What is needed of the client to tell of the conflicts of writes that nobody waits for now. */
export type KeptDesk = ConflictDesk & {
  readonly definitions: Iterable<RecordDef>;
  entry(ref: RecordRef): RecordEntry;
  write(
    entry: RecordEntry,
    write: RecordWrite,
    options?: RecordWriteOptions,
  ): RecordReceipt<unknown>;
};

/** What a refusal of a record's write may say of it. */
const kinds: { readonly [code in Code]?: Clash['kind'] } = {
  schema_skew: 'schema',
  conflict: 'precondition',
  exists: 'precondition',
  not_found: 'deleted',
};

/** What is made once more is made on top of whatever there is. */
const onTop = { precondition: 'none' } as const;

/**
 * Own writes of a former life that have met something, or were queued under another major and cannot be migrated: a conflict
 * of their record each, as if their page had never gone (records.md §11.4, §11.5). Until it is resolved it is a dead letter.
 */
export class KeptClashes {
  readonly #letters: DeadLetters;
  readonly #desk: KeptDesk;
  readonly #watched = new Set<string>();
  readonly #told = new Set<string>();

  constructor(letters: DeadLetters, desk: KeptDesk) {
    this.#letters = letters;
    this.#desk = desk;
  }

  /** A record of a store is about to be here. */
  look(store: StoreName): void {
    queueMicrotask(() => this.#look(store));
    if (this.#watched.has(store)) return;
    this.#watched.add(store);
    this.#letters.subscribe(store, () => queueMicrotask(() => this.#look(store)));
  }

  #look(store: StoreName): void {
    // It is looked for a moment after it was asked for; the client may be closed by then.
    if (this.#desk.room.connection.get().connection === 'closed') return;
    for (const letter of this.#letters.list(store)) {
      const { opId, request, refusal } = letter;
      const kind = kinds[refusal.code];
      if (kind === undefined || request === null || this.#told.has(opId)) continue;
      // Who has made a write in this life hears of it by itself.
      const isOwn = opId.split(':').at(-2) === this.#desk.room.session;
      const ref = isOwn && kind !== 'schema' ? null : this.#refOf(request, store);
      if (ref === null) continue;
      this.#told.add(opId);
      void this.#whenHere(letter, { kind, ref, request });
    }
  }

  /** The record that a request is about; null where it is about none, or several. */
  #refOf(request: Request, store: StoreName): RecordRef | null {
    const refs = writesOf(request).map(({ path }) => this.#refAt(path, store));
    const [first = null] = refs;
    return refs.every((ref) => ref?.key === first?.key) ? first : null;
  }

  #refAt(path: string, store: StoreName): RecordRef | null {
    for (let at = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
      for (const def of this.#desk.definitions) {
        const params = def.match(at, store);
        if (params !== null) return def.ref(params);
      }
    }
    return null;
  }

  async #whenHere(letter: DeadLetter, of: Of): Promise<void> {
    const entry = this.#desk.entry(of.ref);
    const release = this.#desk.hold(entry);
    try {
      // What is of another major has met nobody.
      if (of.kind !== 'schema') await entry.ready();
      if (of.kind !== 'schema' && isUnread(entry)) this.#onceRead(letter, entry);
      else this.#tell(letter, of, entry);
    } catch {
      // It may not be read now: it stays a letter, and is looked at again with the next.
      this.#told.delete(letter.opId);
    } finally {
      release();
    }
  }

  /** What stands there this page cannot read, for now or for good: that it is gone would not be true. */
  #onceRead({ opId }: DeadLetter, entry: RecordEntry): void {
    const stop = entry.state.subscribe(() => {
      if (isUnread(entry)) return;
      stop();
      this.#told.delete(opId);
      // Of what is let go of unread, whoever opens it next has it looked at.
      if (entry.state.get().status !== 'closed') this.#look(entry.ref.store);
    });
  }

  #tell({ opId, refusal }: DeadLetter, { kind, ref, request }: Of, entry: RecordEntry): void {
    const theirs = entry.server.value;
    const isSkewed = kind === 'schema';
    const write = writeOf(request, ref) ?? (isSkewed ? runOf(request, ref) : null);
    // Who held the lease is gone: made once more without it, it could be made beside another's.
    if (write === null || isFenced(request)) return;
    const patch = 'patch' in write ? write.patch : null;
    const isGone = !isSkewed && theirs === undefined;
    // What is of another major is no part of what is there.
    const known = !isSkewed && isObject(theirs) ? theirs : {};
    const mine = patch === null ? ownOf(write) : { ...known, ...patch };
    const clash = {
      kind: isGone ? 'deleted' : kind,
      opId,
      ref,
      fields: patch && Object.keys(patch),
      base: undefined,
      mine,
      theirs,
    } as const;
    meet(entry, { refusal, clash, desk: this.#desk }, (how) => {
      // Sent again as it was, it may meet something again.
      if (how === 'theirs') return void this.#told.delete(opId);
      // Where nothing is left to make it on top of, mine is all of it.
      const again = isGone && patch !== null ? { set: mine } : write;
      const made = how === 'mine' ? again : { set: how.value };
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the gate of the write looks at it
      return this.#desk.write(this.#desk.entry(ref), made as RecordWrite, onTop);
    });
  }
}

type Of = {
  readonly kind: Clash['kind'];
  readonly ref: RecordRef;
  readonly request: Request;
};

type Kept =
  | { readonly set: unknown }
  | { readonly patch: RecordValue }
  | { readonly remove: true }
  | { readonly mutate: string; readonly input: unknown }
  | { readonly increment: readonly string[]; readonly by: unknown };

/** Whether what stands there only another version of this page can read, or none: it does not pass the schema. */
function isUnread({ state }: RecordEntry): boolean {
  return ['skew', 'stale'].includes(state.get().status);
}

function isFenced(request: Request): boolean {
  return request.op === 'transact' && request.preconditions.some(({ kind }) => kind === 'fence');
}

/** What is known of a write besides the fields that it changes. */
function ownOf(write: Kept): unknown {
  if ('set' in write) return write.set;
  if ('mutate' in write) return write.input;
  return 'increment' in write ? write.by : undefined;
}

/** What a request does to what is there, such as by a mutation: made once more it may do that under another major, too. */
function runOf(request: Request, { path }: RecordRef): Kept | null {
  const [op, ...others] = writesOf(request);
  if (op === undefined || others.length > 0) return null;
  if (op.op === 'mutate') return { mutate: op.name, input: decodeStored(op.value) };
  if (op.op !== 'increment') return null;
  return { increment: segmentsOf(op.path).slice(segmentsOf(path).length), by: op.value };
}

/** The write that a request was made of; null where that cannot be told, as of the input of a mutation. */
function writeOf(request: Request, { path }: RecordRef): Kept | null {
  const patch: RecordValue = {};
  const unset: string[] = [];
  for (const op of writesOf(request)) {
    const [field, ...deeper] = segmentsOf(op.path).slice(segmentsOf(path).length);
    if (field === undefined && op.op === 'set') return { set: decodeStored(op.value) };
    if (field === undefined && op.op === 'delete') return { remove: true };
    if (field === undefined && op.op === 'merge') Object.assign(patch, decodeStored(op.value));
    else if (field !== undefined && deeper.length === 0 && op.op === 'delete') unset.push(field);
    else return null;
  }
  return { patch: { ...patch, ...Object.fromEntries(unset.map((each) => [each, undefined])) } };
}
