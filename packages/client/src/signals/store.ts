import type { Json } from '@holdfast/protocol';
import type { ShownEntry } from '@holdfast/engine/replica';
import { holds } from '../doors.ts';
import { pageOf, type PageOptions } from '../listing.ts';
import type { Store } from '../store.ts';
import { literally } from '../literal.ts';
import { pathOf, Shown, type StoreSignal } from './shown.ts';

/** The value at a path of a store as a signal: the identical value until something in it changes. */
export function entrySignal(store: Store, path: string): StoreSignal<Json | undefined> {
  const at = pathOf(path);
  const glob = literally(at);
  // Of what is but a leaf here nothing is below.
  const isLeaf = holds.get(store)?.part.readsLeaf(at) === true;
  return new Shown<Json | undefined>(store, (of) => ({
    patterns: isLeaf ? [glob] : [glob, `${glob}/**`],
    modes: ['all'],
    isAbout: (written) => written.touches(at),
    read: () => of.get(at),
  }));
}

/**
 * The leaves that match a pattern as a signal: the identical list until something in it changes, and the identical entry in
 * it until that does. An own write changes its entry twice: when it is made, and when it is committed.
 */
export function entriesSignal(
  store: Store,
  pattern: string,
  options: PageOptions = {},
): StoreSignal<readonly ShownEntry[]> {
  // What cannot be listed is told here, and not when it is read.
  pageOf('entries', options);
  holds.get(store)?.part.pattern(pattern);
  return new Shown<readonly ShownEntry[]>(store, (of) => ({
    patterns: [pattern],
    modes: ['all', 'committed'],
    isAbout: () => true,
    read: (before) => kept(before ?? [], of.entries(pattern, options).items),
  }));
}

/** The part of a store that a path is read in: what is there, and all below it. */
export function entryScope(path: string): readonly string[] {
  return [`${literally(pathOf(path))}/**`];
}

/** Whether there is something to read of what a handle is of, so that nobody has to wait for its `ready`. */
export function isReady(store: Store): boolean {
  const hold = holds.get(store);
  return hold?.slot.opened?.isReady(hold.part) === true;
}

/** Calls back once when a handle is closed; there is one such caller. */
export function whenClosed(store: Store, closed: () => void): void {
  const hold = holds.get(store);
  if (hold !== undefined) hold.closed = closed;
}

/** A list with the entries of the one before that are the same; that list itself where all are. */
function kept(before: readonly ShownEntry[], now: readonly ShownEntry[]): readonly ShownEntry[] {
  const known = new Map(before.map((entry) => [entry.path, entry]));
  const items = now.map((entry) => {
    const old = known.get(entry.path);
    return old !== undefined && isSame(old, entry) ? old : entry;
  });
  const isAsBefore =
    items.length === before.length && items.every((entry, index) => entry === before[index]);
  return isAsBefore ? before : Object.freeze(items);
}

function isSame(a: ShownEntry, b: ShownEntry): boolean {
  return (
    Object.is(a.value, b.value) &&
    a.type === b.type &&
    a.revision === b.revision &&
    a.pending === b.pending
  );
}
