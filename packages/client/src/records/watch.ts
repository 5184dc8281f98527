import { type Path, versionPath } from '@holdfast/protocol';
import type { Seen } from '@holdfast/engine/replica';
import { type Release, releaseOnce } from '@holdfast/engine/registry';
import type { Slot } from '../slot.ts';
import { soon } from '../turns.ts';
import { Places } from './places.ts';

/** A record that is shown from a replica. */
export interface Watched extends Looking {
  readonly path: Path;
  readonly hasPending: boolean;
}

/** Something that is shown from all objects of a pattern. */
export interface WideWatched extends Looking {
  /** Something at a path has changed, or perhaps anything; says whether that concerns it. Own writes may come or go there. */
  touch(path: Path | null, isOwn?: boolean): boolean;
}

type Looking = {
  /** Reads the replica anew. */
  look(): void;
  /** Tells what the last looks have found. */
  tell(): void;
};

const schemaLeaves = versionPath('');

/**
 * Says which records of a store have to look at it: those at or above a path that has changed. All look before any tells,
 * so that nobody sees half a commit (records.md §3.2).
 */
export class SlotWatch {
  readonly places: Places;
  readonly #slot: Slot;
  readonly #byPath = new Map<string, Set<Watched>>();
  readonly #wide = new Set<WideWatched>();
  readonly #dirty = new Set<Looking>();
  readonly #flushSoon = soon(() => this.flush());
  #seen: readonly unknown[] = [];
  #stop: (() => void) | null = null;

  /** `placesMax`: so many records of the store are open for their own sake. */
  constructor(slot: Slot, placesMax: number) {
    this.#slot = slot;
    this.places = new Places(slot, placesMax);
  }

  add(watched: Watched | WideWatched): Release {
    const forget = 'touch' in watched ? this.#addWide(watched) : this.#addAt(watched);
    this.#stop ??= this.#start();
    return releaseOnce(() => {
      forget();
      this.#dirty.delete(watched);
      if (this.#byPath.size + this.#wide.size > 0) return;
      this.#stop?.();
      this.#stop = null;
    });
  }

  #addWide(watched: WideWatched): () => void {
    this.#wide.add(watched);
    return () => this.#wide.delete(watched);
  }

  #addAt(watched: Watched): () => void {
    const { path } = watched;
    const here = this.#byPath.get(path) ?? new Set();
    this.#byPath.set(path, here.add(watched));
    return () => {
      here.delete(watched);
      if (here.size === 0) this.#byPath.delete(path);
    };
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
    const observe = (acts: readonly Seen[] | null): void => this.#changed(acts);
    observers.add(observe);
    const leaveStatus = status.subscribe(() => this.#checkStatus());
    const leaveOutbox = outboxChanges.subscribe(() =>
      this.#markRecords(({ hasPending }) => hasPending),
    );
    return () => {
      observers.delete(observe);
      leaveStatus();
      leaveOutbox();
    };
  }

  #changed(acts: readonly Seen[] | null): void {
    if (acts === null) this.#markAll();
    for (const { path, own, changes } of acts ?? []) {
      this.#touch(path, own);
      for (const change of changes) this.#touch(change.path);
    }
  }

  #touch(path: Path, isOwn = false): void {
    if (path.startsWith(schemaLeaves)) this.#markAll();
    for (const wide of this.#wide) if (wide.touch(path, isOwn)) this.soil(wide);
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
    this.#markAll();
  }

  #markAll(): void {
    for (const each of this.#wide) if (each.touch(null)) this.soil(each);
    this.#markRecords(() => true);
  }

  #markRecords(concerns: (watched: Watched) => boolean): void {
    for (const here of this.#byPath.values()) {
      for (const watched of here) if (concerns(watched)) this.soil(watched);
    }
  }

  /** Has something looked at, and told of, with all else that changes in this turn. */
  soil(watched: Looking): void {
    this.#dirty.add(watched);
    this.#flushSoon();
  }
}
