import type { Path } from '@holdfast/protocol';
import type { Act } from '@holdfast/engine/replica';
import { type Release, releaseOnce } from '@holdfast/engine/registry';
import type { Slot } from '../slot.ts';

/** A record that is shown from a replica. */
export interface Watched {
  readonly path: Path;
  readonly hasPending: boolean;
  /** Reads the replica anew. */
  look(): void;
  /** Tells what the last looks have found. */
  tell(): void;
}

/** Something that is shown from all objects of a pattern. */
export interface WideWatched extends Pick<Watched, 'look' | 'tell'> {
  /** Something at a path has changed, or perhaps anything; says whether that concerns it. */
  touch(path: Path | null): boolean;
}

type Looking = Pick<Watched, 'look' | 'tell'>;

const schemaLeaves = '_hf:schema/';

/**
 * Says which records of a store have to look at it: those at or above a path that has changed. All look before any tells,
 * so that nobody sees half a commit (records.md §3.2).
 */
export class SlotWatch {
  readonly #slot: Slot;
  readonly #byPath = new Map<string, Set<Watched>>();
  readonly #wide = new Set<WideWatched>();
  readonly #dirty = new Set<Looking>();
  #isDue = false;
  #seen: readonly unknown[] = [];
  #stop: (() => void) | null = null;

  constructor(slot: Slot) {
    this.#slot = slot;
  }

  add(watched: Watched): Release {
    const here = this.#byPath.get(watched.path) ?? new Set();
    this.#byPath.set(watched.path, here.add(watched));
    this.#stop ??= this.#start();
    return releaseOnce(() => {
      here.delete(watched);
      this.#dirty.delete(watched);
      if (here.size === 0) this.#byPath.delete(watched.path);
      this.#rest();
    });
  }

  addWide(watched: WideWatched): Release {
    this.#wide.add(watched);
    this.#stop ??= this.#start();
    return releaseOnce(() => {
      this.#wide.delete(watched);
      this.#dirty.delete(watched);
      this.#rest();
    });
  }

  #rest(): void {
    if (this.#byPath.size + this.#wide.size > 0) return;
    this.#stop?.();
    this.#stop = null;
  }

  /** Has what is due, and what is `written`, looked at and told now: an own write is seen as it is made. */
  flush(written: readonly Looking[] = []): void {
    const dirty = new Set([...this.#dirty, ...written]);
    this.#dirty.clear();
    for (const each of dirty) each.look();
    for (const each of dirty) each.tell();
  }

  #start(): () => void {
    const { observers, outboxChanges, status } = this.#slot;
    const observe = (acts: readonly Act[] | null): void => this.#changed(acts);
    observers.add(observe);
    const leaveStatus = status.subscribe(() => this.#checkStatus());
    const leaveOutbox = outboxChanges.subscribe(() =>
      this.#mark(({ hasPending }) => hasPending, null),
    );
    return () => {
      observers.delete(observe);
      leaveStatus();
      leaveOutbox();
    };
  }

  #changed(acts: readonly Act[] | null): void {
    if (acts === null) this.#mark(() => true);
    for (const { path, changes } of acts ?? []) {
      this.#touch(path);
      for (const change of changes) this.#touch(change.path);
    }
  }

  #touch(path: Path): void {
    if (path.startsWith(schemaLeaves)) this.#mark(() => true);
    for (const wide of this.#wide) if (wide.touch(path)) this.soil(wide);
    for (let at: string = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
      for (const watched of this.#byPath.get(at) ?? []) this.soil(watched);
    }
  }

  /** What is held, where, and over which connection concerns all; that the seq has grown does not. */
  #checkStatus(): void {
    const replica = this.#slot.opened?.replica?.status();
    const { connection, error } = this.#slot.status.get();
    const { held, denied, incarnation, phase } = replica ?? {};
    const seen = [connection, error, held, denied, incarnation, phase];
    if (seen.every((each, index) => each === this.#seen[index])) return;
    this.#seen = seen;
    this.#mark(() => true);
  }

  #mark(
    concerns: (watched: Watched) => boolean,
    wide: Iterable<WideWatched> | null = this.#wide,
  ): void {
    for (const each of wide ?? []) if (each.touch(null)) this.soil(each);
    for (const here of this.#byPath.values()) {
      for (const watched of here) if (concerns(watched)) this.soil(watched);
    }
  }

  /** Has something looked at, and told of, with all else that changes in this turn. */
  soil(watched: Looking): void {
    this.#dirty.add(watched);
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      this.flush();
    });
  }
}
