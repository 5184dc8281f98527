import {
  HoldfastError,
  isRefusal,
  type Path,
  RejectedError,
  type Request,
  toPath,
} from '@holdfast/protocol';
import { type Release, releaseOnce, type Signal } from '@holdfast/engine/registry';
import { call } from '../cell.ts';
import { holdOf } from '../doors.ts';
import { twins } from '../twins.ts';
import type { Hold } from '../hold.ts';
import type { Store } from '../store.ts';
import { TouchedPaths, type WatchMode } from '@holdfast/engine/replica';

/** What of a store a signal shows. */
export type Sight<T> = {
  /** What may change it: patterns of paths, in the modes of a subscription. */
  readonly patterns: readonly string[];
  readonly modes: readonly WatchMode[];
  /** Whether a write at these paths may change it. */
  isAbout(written: TouchedPaths): boolean;
  /** What is shown now, given what was shown before: the same where nothing has changed. */
  read(before: T | undefined): T;
};

/** Something of a store, as a signal; on a server, and at first in the page that it drew, as the server drew it. */
export interface StoreSignal<T> extends Signal<T> {
  getServer(): T;
}

/**
 * Something that a store shows, as a signal. It is read anew when it is asked for and nobody watches, and watched only
 * while somebody listens. An own write is told as it is made, so that a field of a form keeps up with who types in it. When
 * the store is closed it shows what it showed last.
 */
export class Shown<T> implements StoreSignal<T> {
  readonly #store: Store;
  readonly #hold: Hold;
  readonly #sightOf: (store: Store) => Sight<T>;
  readonly #sight: Sight<T>;
  #drawn: Shown<T> | null = null;
  /** Wrapped, so that each registration of the same listener is one of its own. */
  readonly #listeners = new Set<{ readonly run: () => void }>();
  #last: { readonly value: T } | null = null;
  /** What those who listen have been told of. */
  #told: { readonly value: T } | null = null;
  #isFresh = false;
  #stop: Release = releaseOnce(() => undefined);

  constructor(store: Store, sightOf: (store: Store) => Sight<T>) {
    this.#store = store;
    this.#hold = holdOf(store);
    this.#sightOf = sightOf;
    this.#sight = sightOf(store);
  }

  readonly get = (): T => {
    if (this.#isFresh && this.#last !== null) return this.#last.value;
    const value = this.#read();
    this.#isFresh = this.#listeners.size > 0;
    return value;
  };

  /** As a server has drawn it, where one has. */
  readonly getServer = (): T => {
    const { part, slot } = this.#hold;
    const twin = this.#drawn === null ? twins.get(slot.room)?.() : undefined;
    const store = twin?.store(slot.name, { scope: part.globs });
    if (store !== undefined) this.#drawn = new Shown(store, this.#sightOf);
    return this.#drawn === null ? this.get() : this.#drawn.get();
  };

  readonly subscribe = (run: () => void): Release => {
    const listener = { run };
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#watch();
    return releaseOnce(() => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#isFresh = false;
      this.#stop();
    });
  };

  #read(): T {
    const before = this.#last;
    try {
      const value = this.#sight.read(before?.value);
      if (before === null || !Object.is(before.value, value)) this.#last = { value };
      return value;
    } catch (error) {
      if (before !== null && isClosed(error)) return before.value;
      throw error;
    }
  }

  #watch(): void {
    this.get();
    this.#told = this.#last;
    const { patterns, modes } = this.#sight;
    const { witnesses } = this.#hold.slot;
    let isDue = false;
    // Once for all that is delivered in one go.
    const heard = (): void => {
      this.#isFresh = false;
      if (isDue) return;
      isDue = true;
      queueMicrotask(() => {
        isDue = false;
        this.#look();
      });
    };
    const options = { delivery: 'latest', maxQueue: Infinity, includeCurrent: true } as const;
    const releases: Release[] = [];
    try {
      for (const mode of modes) {
        for (const pattern of patterns) {
          releases.push(this.#store.on(pattern, heard, { ...options, mode }));
        }
      }
    } catch (error) {
      // Of a store that is closed nothing more is to be heard.
      if (!isClosed(error)) throw error;
    }
    const look = (): void => this.#look();
    const witness = (request: Request): typeof look | undefined => {
      if (!this.#sight.isAbout(writtenBy(request))) return undefined;
      this.#isFresh = false;
      return look;
    };
    witnesses.add(witness);
    this.#stop = releaseOnce(() => {
      witnesses.delete(witness);
      for (const release of releases) release();
    });
  }

  /** Tells those who listen if something has changed. */
  #look(): void {
    this.get();
    // Somebody may have read it before it was told.
    if (this.#last === this.#told) return;
    this.#told = this.#last;
    const { report } = this.#hold.slot.room.settings;
    for (const listener of Array.from(this.#listeners)) {
      if (this.#listeners.has(listener)) call(listener.run, report);
    }
  }
}

/** Reads a path, or throws what is wrong with it. */
export function pathOf(text: string): Path {
  const path = toPath(text);
  if (isRefusal(path)) throw RejectedError.from(path.with({ path: text }));
  return path;
}

const writtenBefore: WeakMap<Request, TouchedPaths> = /* @__PURE__ */ new WeakMap();

/** Where a request writes, put together once for the thousands who may watch the store: a board has one for each shape. */
function writtenBy(request: Request): TouchedPaths {
  const known = writtenBefore.get(request);
  if (known !== undefined) return known;
  const written = new TouchedPaths();
  written.add(
    request.op === 'transact' ? request.ops.map(({ path }) => path) : [request.path],
    null,
  );
  writtenBefore.set(request, written);
  return written;
}

function isClosed(error: unknown): boolean {
  return error instanceof HoldfastError && error.code === 'closed';
}
