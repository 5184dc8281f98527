import { type Child, findChild, type Lister, listChildren, placeChild } from './children.ts';
import { pathAbove } from './path.ts';
import { Cell, Frame, type Readable } from './signal.ts';

/** One line of the tree. */
export type Row = Child & {
  readonly level: number;
  readonly isOpen: boolean;
  /** Its place among its siblings, from 1, and how many they are. */
  readonly position: number;
  readonly siblings: number;
};

/** What the tree shows: `version` grows with every change, also of a mere value. */
export type OutlineView = { readonly rows: readonly Row[]; readonly version: number };

const CHANGES_MAX = 64;

/**
 * The open part of a store's tree as a list of lines. Only levels that are open are listed; a change costs a look at its
 * place in them, and they are listed anew where more than a few came at once.
 */
export class Outline {
  readonly #store: Lister;
  readonly #levels = new Map<string, readonly Child[]>();
  /** Children to look at again, by level; null: list the whole level. */
  readonly #changed = new Map<string, Set<string> | null>();
  readonly #view = new Cell<OutlineView>({ rows: [], version: 0 });
  readonly #frame = new Frame(() => this.#refresh());
  /** Lines have come or gone since the last view. */
  #isMoved = false;

  constructor(store: Lister) {
    this.#store = store;
  }

  get view(): Readable<OutlineView> {
    return this.#view;
  }

  /** Lists everything that is open anew. */
  reload(): void {
    if (!this.#levels.has('')) this.#levels.set('', []);
    for (const base of this.#levels.keys()) this.#changed.set(base, null);
    this.#refresh();
  }

  /** Something has changed at a path: a leaf, or a map with all below it. */
  touch(path: string): void {
    for (const base of this.#levels.keys()) {
      if (base === path || base.startsWith(`${path}/`)) this.#changed.set(base, null);
    }
    for (let child = path; child !== ''; child = pathAbove(child)) this.#note(child);
    this.#frame.request();
  }

  /** What is shown of some line may have changed, such as whether it is committed. */
  redraw(): void {
    this.#frame.request();
  }

  toggle(path: string, isOpen = !this.#levels.has(path)): void {
    if (isOpen) this.#levels.set(path, listChildren(this.#store, path));
    else this.#forget(path);
    this.#isMoved = true;
    this.#publish();
  }

  /** Opens whatever is above a path, which has its line then, though it came a moment ago. */
  reveal(path: string): void {
    for (let child = path; child !== ''; child = pathAbove(child)) {
      const base = pathAbove(child);
      if (base !== '' && !this.#levels.has(base)) {
        this.#levels.set(base, listChildren(this.#store, base));
      }
      this.#note(child);
    }
    this.#isMoved = true;
    this.#refresh();
  }

  close(): void {
    this.#frame.cancel();
  }

  #note(child: string): void {
    const base = pathAbove(child);
    if (!this.#levels.has(base)) return;
    const changes = this.#changed.get(base);
    if (changes === null) return;
    if (changes === undefined) this.#changed.set(base, new Set([child]));
    else if (changes.size < CHANGES_MAX) changes.add(child);
    else this.#changed.set(base, null);
  }

  #refresh(): void {
    for (const [base, changes] of this.#changed) {
      const known = this.#levels.get(base);
      if (known === undefined) continue;
      let level = known;
      if (changes === null) level = listChildren(this.#store, base);
      for (const path of changes ?? []) {
        level = placeChild(level, path, findChild(this.#store, path));
      }
      if (level === known) continue;
      this.#levels.set(base, level);
      if (level.length === 0 && base !== '') this.#forget(base);
      this.#isMoved = true;
    }
    this.#changed.clear();
    this.#publish();
  }

  #forget(path: string): void {
    for (const base of this.#levels.keys()) {
      if (base === path || base.startsWith(`${path}/`)) this.#levels.delete(base);
    }
  }

  /** Where no line has come or gone the lines are the same, and only what they show may not be. */
  #publish(): void {
    const known = this.#view.get();
    const rows = this.#isMoved ? this.#collect('', 1, []) : known.rows;
    this.#isMoved = false;
    this.#view.set({ rows, version: known.version + 1 });
  }

  #collect(base: string, level: number, rows: Row[]): readonly Row[] {
    const children = this.#levels.get(base) ?? [];
    for (const [index, child] of children.entries()) {
      const isOpen = child.isMap && this.#levels.has(child.path);
      rows.push({ ...child, level, isOpen, position: index + 1, siblings: children.length });
      if (isOpen) this.#collect(child.path, level + 1, rows);
    }
    return rows;
  }
}
