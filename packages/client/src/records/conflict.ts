import {
  ConflictError,
  type OpId,
  type RecordRef,
  type Refusal,
  type StoreName,
} from '@holdfast/protocol';
import { type Release, releaseOnce } from '@holdfast/engine/registry';
import type { Room } from '../room.ts';
import type { RecordEntry } from './delivery.ts';
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
  declare readonly kind: Clash['kind'];
  declare readonly opId: OpId;
  declare readonly ref: RecordRef;
  declare readonly fields: readonly string[] | null;
  declare readonly base: unknown;
  declare readonly mine: unknown;
  declare readonly theirs: unknown;
  /** Ends the conflict; to resolve it again does nothing. Throws what cannot be written, and ends nothing then. */
  declare readonly resolve: (how: Resolution) => RecordReceipt<unknown> | undefined;

  constructor(
    refusal: Refusal,
    clash: Clash,
    resolve: (how: Resolution) => RecordReceipt<unknown> | undefined,
  ) {
    super(refusal.code, refusal.details);
    Object.assign(this, clash, { resolve });
  }
}

/** Has a conflict in the state of its record until it is resolved, and told of. */
export function meet(
  entry: RecordEntry,
  { refusal, clash, desk }: { refusal: Refusal; clash: Clash; desk: ConflictDesk },
  resolve: (how: Resolution) => RecordReceipt<unknown> | undefined,
): RecordConflictError {
  const { cache, report } = desk.room.settings;
  const settle = keepHere(entry, clash, desk);
  let isMaking = false;
  const end = (): void => {
    settle();
    entry.conflicts = Object.freeze(entry.conflicts.filter((each) => each !== conflict));
    entry.refresh();
    desk.room.activity.notify();
    // Nobody has to decide about its letter now.
    Promise.resolve(cache?.letters?.drop(clash.ref.store, clash.opId)).catch(report);
  };
  const conflict: RecordConflictError = new RecordConflictError(refusal, clash, (how) => {
    // Who hears of the write may resolve all that they find.
    if (isMaking || !entry.conflicts.includes(conflict)) return undefined;
    isMaking = true;
    try {
      const made = resolve(how);
      // What cannot be made throws: there is something to decide about still.
      end();
      return made;
    } finally {
      isMaking = false;
    }
  });
  // What the first of two has met may be heard of later than what the second has.
  const behind = entry.conflicts.findIndex(
    (each) => each instanceof RecordConflictError && isMadeBefore(clash.opId, each.opId),
  );
  const at = behind < 0 ? entry.conflicts.length : behind;
  entry.conflicts = Object.freeze(entry.conflicts.toSpliced(at, 0, conflict));
  entry.refresh();
  desk.room.activity.notify();
  desk.conflicted(conflict);
  return conflict;
}

/** Unresolved conflicts that keep their records here; of more, the first are let go of. */
const disputesMax = 200;

/** Has the conflicts of a store end with the dead letters of their writes: who discards one, or sends it again, has decided. */
function followLetters(store: StoreName, { entries, followed, room }: ConflictDesk): void {
  const { letters } = room.settings.cache ?? {};
  if (letters === undefined || followed.has(store)) return;
  followed.add(store);
  const idsOf = (): ReadonlySet<OpId> => new Set(letters.list(store).map(({ opId }) => opId));
  let known = idsOf();
  letters.subscribe(store, () => {
    const before = known;
    known = idsOf();
    if (known.size >= before.size) return;
    for (const each of [...entries.values()].flatMap(({ conflicts }) => conflicts)) {
      if (!(each instanceof RecordConflictError) || known.has(each.opId)) continue;
      if (before.has(each.opId)) each.resolve('theirs');
    }
  });
}

/** Has a record stay for its conflict, though nobody shows it: whoever is to decide may look later. */
function keepHere(entry: RecordEntry, { ref: { store } }: Clash, desk: ConflictDesk): Release {
  // A client that is closed opens nothing again.
  if (desk.room.connection.get().connection === 'closed') return releaseOnce(() => undefined);
  followLetters(store, desk);
  const { disputes } = desk;
  const release = desk.hold(entry);
  const settle = releaseOnce(() => {
    disputes.delete(settle);
    release();
  });
  const [first] = disputes.add(settle);
  if (disputes.size > disputesMax) first?.();
  return settle;
}

/** Whether the same page made one write before the other. */
function isMadeBefore(opId: OpId, other: OpId): boolean {
  const at = opId.lastIndexOf(':') + 1;
  return other.startsWith(opId.slice(0, at)) && Number(opId.slice(at)) < Number(other.slice(at));
}

/** Hears of conflicts. */
export type ConflictDesk = {
  readonly room: Room;
  /** What lets go of records that are here for their conflicts. */
  readonly disputes: Set<Release>;
  /** Stores of which the dead letters are followed. */
  readonly followed: Set<StoreName>;
  /** The records that are here. */
  readonly entries: ReadonlyMap<string, RecordEntry>;
  /** Keeps a record here. */
  readonly hold: (entry: RecordEntry) => Release;
  conflicted(conflict: RecordConflictError): void;
};
