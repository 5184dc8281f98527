import type { StoreName } from '@holdfast/protocol';
import { decodeStored } from '@holdfast/protocol/record';
import type { RecordWrite } from '@holdfast/engine/record';
import type { DeadLetter, DeadLetters } from '../cache/port.ts';
import { type ConflictDesk, meet } from './conflict.ts';
import type { RecordEntry } from './delivery.ts';
import { isNear, touches, writesOf } from './pending.ts';
import type { RecordReceipt } from './types.ts';

/** What is needed of the client to tell of writes that no version knows any more. */
export type SkewedDesk = ConflictDesk & {
  write(entry: RecordEntry, write: RecordWrite): RecordReceipt<unknown>;
  readonly report: (error: unknown) => void;
};

/** Own writes that were queued under another major and cannot be migrated: a conflict of their record each (records.md §11.5). */
export class SkewedWrites {
  readonly #letters: DeadLetters;
  readonly #desk: SkewedDesk;
  /** The records that are here, by their keys. */
  readonly #entries: ReadonlyMap<string, RecordEntry>;
  readonly #watched = new Set<string>();
  readonly #told = new Set<string>();

  constructor(letters: DeadLetters, desk: SkewedDesk, entries: ReadonlyMap<string, RecordEntry>) {
    this.#letters = letters;
    this.#desk = desk;
    this.#entries = entries;
  }

  /** A record of a store is about to be here. */
  look(store: StoreName): void {
    queueMicrotask(() => this.#look(store));
    if (this.#watched.has(store)) return;
    this.#watched.add(store);
    this.#letters.subscribe(store, () => queueMicrotask(() => this.#look(store)));
  }

  #look(store: StoreName): void {
    for (const letter of this.#letters.list(store)) {
      const { opId, request, refusal } = letter;
      if (refusal.code !== 'schema_skew' || request === null || this.#told.has(opId)) continue;
      const entry = this.#here(store).find(({ ref }) => touches(request, ref.path));
      if (entry === undefined) continue;
      this.#told.add(opId);
      this.#tell(store, letter, entry);
    }
  }

  #here(store: StoreName): readonly RecordEntry[] {
    return [...this.#entries.values()].filter(({ key, state }) => {
      const { status } = state.get();
      return key.startsWith(`rec/${store}/`) && status !== 'idle' && status !== 'closed';
    });
  }

  #tell(store: StoreName, { opId, request, refusal }: DeadLetter, entry: RecordEntry): void {
    const ops = request === null ? [] : writesOf(request);
    const op = ops.find(({ path }) => isNear(path, entry.ref.path));
    const mine = op !== undefined && 'value' in op ? decodeStored(op.value) : undefined;
    const clash = {
      kind: 'schema',
      opId,
      ref: entry.ref,
      fields: null,
      base: undefined,
      mine,
      theirs: entry.server.value,
    } as const;
    meet(entry, { refusal, clash, desk: this.#desk }, (how) => {
      Promise.resolve(this.#letters.drop(store, opId)).catch(this.#desk.report);
      if (how === 'theirs') return undefined;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the gate of the write looks at it
      return this.#desk.write(entry, { set: (how === 'mine' ? mine : how.value) as never });
    });
  }
}
