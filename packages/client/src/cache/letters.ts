import type { OpId, StoreName } from '@holdfast/protocol';
import { conduct } from '@holdfast/engine/registry';
import type { CacheTerms, DeadLetter, DeadLetters } from './port.ts';
import { cacheFault } from './rows.ts';

type Box = {
  readonly letters: Map<OpId, DeadLetter>;
  /** What the storage does not know of yet; null: it is gone. */
  readonly unsaved: Map<OpId, DeadLetter | null>;
  readonly listeners: Set<() => void>;
  list: readonly DeadLetter[] | null;
};

/** The dead letters of a cache's stores as they are now, and what of that has yet to be stored. */
export class Letters implements DeadLetters {
  readonly #boxes = new Map<StoreName, Box>();
  readonly #save: (store: StoreName) => void | Promise<void>;
  readonly #report: CacheTerms['report'];
  readonly #shown: (store: StoreName, letter: DeadLetter) => DeadLetter;

  /**
   * `save` stores what is unsaved of a store when nothing else is about to; `report` hears of listeners that fail; `shown` makes of
   * a new letter what is shown of it.
   */
  constructor(
    save: (store: StoreName) => void | Promise<void>,
    report: CacheTerms['report'],
    shown: (store: StoreName, letter: DeadLetter) => DeadLetter = (_, letter) => letter,
  ) {
    this.#save = save;
    this.#report = report;
    this.#shown = shown;
  }

  list(store: StoreName): readonly DeadLetter[] {
    const box = this.#box(store);
    box.list ??= Object.freeze([...box.letters.values()]);
    return box.list;
  }

  subscribe(store: StoreName, listener: () => void): () => void {
    const { listeners } = this.#box(store);
    const heard = (): void => listener();
    listeners.add(heard);
    return () => listeners.delete(heard);
  }

  put(store: StoreName, given: DeadLetter): void {
    const box = this.#box(store);
    const letter = this.#shown(store, given);
    box.letters.set(letter.opId, letter);
    box.unsaved.set(letter.opId, letter);
    this.#changed(box);
  }

  drop(store: StoreName, opId: OpId): void | Promise<void> {
    if (this.take(store, opId) !== null) return this.#save(store);
  }

  /** Takes a letter out, to be stored so with what comes of it. */
  take(store: StoreName, opId: OpId): DeadLetter | null {
    const box = this.#box(store);
    const letter = box.letters.get(opId);
    if (letter === undefined) return null;
    box.letters.delete(opId);
    box.unsaved.set(opId, null);
    this.#changed(box);
    return letter;
  }

  /** What the storage has, as it is read; those that are `made` of it have yet to be stored. */
  loaded(store: StoreName, letters: readonly DeadLetter[], made: ReadonlySet<OpId>): void {
    const box = this.#box(store);
    for (const letter of letters) {
      if (box.unsaved.has(letter.opId)) continue;
      box.letters.set(letter.opId, letter);
      if (made.has(letter.opId)) box.unsaved.set(letter.opId, letter);
    }
    if (letters.length > 0) this.#changed(box);
  }

  unsaved(store: StoreName): readonly (readonly [OpId, DeadLetter | null])[] {
    return [...(this.#boxes.get(store)?.unsaved ?? [])];
  }

  saved(store: StoreName, letters: readonly (readonly [OpId, DeadLetter | null])[]): void {
    const { unsaved } = this.#box(store);
    for (const [opId, letter] of letters) {
      if (unsaved.get(opId) === letter) unsaved.delete(opId);
    }
  }

  #box(store: StoreName): Box {
    const box = this.#boxes.get(store) ?? {
      letters: new Map(),
      unsaved: new Map(),
      listeners: new Set(),
      list: null,
    };
    this.#boxes.set(store, box);
    return box;
  }

  /** Told amid the work of the cache: what a listener throws must not end that. */
  #changed(box: Box): void {
    box.list = null;
    const failed = (cause: unknown): void =>
      this.#report(cacheFault('failed', { cause, kept: true }));
    for (const listener of box.listeners) conduct(listener, () => undefined, failed);
  }
}
