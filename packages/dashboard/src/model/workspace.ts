import type { Client, Store } from '@holdfast/client';
import { type Child, findChild } from './children.ts';
import { Edits, explain } from './edits.ts';
import { Log } from './log.ts';
import { Outline } from './outline.ts';
import { pathAbove } from './path.ts';
import { Search } from './search.ts';
import { Cell, type Readable } from './signal.ts';

/** What is selected in the tree; null: nothing. */
export type Selection = string | null;

/** Why nothing can be changed. */
export const readOnlyText = 'This token may only read.';

const QUEUE_MAX = 10_000;

/** One store that is being looked at: its tree, its log, what is selected, searched for and edited. */
export class Workspace {
  readonly store: Store;
  readonly outline: Outline;
  /** Whether the token may write anything; null: that is not known. */
  readonly mayWrite: Readable<boolean | null>;
  readonly log = new Log();
  readonly edits: Edits;
  readonly #isReady = new Cell(false);
  readonly #problem = new Cell<string | null>(null);
  readonly #selection = new Cell<Selection>(null);
  readonly #filter = new Cell('');
  readonly #search = new Cell<Search | null>(null);
  readonly #releases = new Set<() => void>();
  #isClosed = false;

  constructor(client: Client, name: string, mayWrite: Readable<boolean | null>) {
    this.mayWrite = mayWrite;
    this.store = client.store(name);
    this.outline = new Outline(this.store);
    this.edits = new Edits(this.store);
    this.#watchLog();
    this.#watchTree();
    // A commit of what is shown already changes no value, but its revision.
    this.#releases.add(this.store.status.subscribe(() => this.outline.redraw()));
    void this.#start();
  }

  /** Whether the store is caught up for the first time. */
  get isReady(): Readable<boolean> {
    return this.#isReady;
  }

  /** Why the store cannot be shown. */
  get problem(): Readable<string | null> {
    return this.#problem;
  }

  get selection(): Readable<Selection> {
    return this.#selection;
  }

  /** What is typed to search for; it is searched for when there is time. */
  get filter(): Readable<string> {
    return this.#filter;
  }

  get search(): Readable<Search | null> {
    return this.#search;
  }

  select(path: Selection): void {
    this.#selection.set(path);
  }

  /** Shows a path in the tree, and selects it. */
  reveal(path: string): void {
    this.type('');
    this.find('');
    this.outline.reveal(path);
    this.#selection.set(path);
  }

  type(text: string): void {
    this.#filter.set(text);
  }

  /** Searches for a path pattern; an empty text ends the search. */
  find(text: string): void {
    this.#search.get()?.close();
    this.#search.set(text.trim() === '' ? null : new Search(this.store, text));
  }

  /** Where something new goes: into the selected map, or beside the selected leaf. */
  baseForNew(): string {
    const selected = this.#selection.get();
    if (selected === null) return '';
    return this.childAt(selected)?.isMap === true ? selected : pathAbove(selected);
  }

  /** What is at a path, seen from its parent; null: nothing. */
  childAt(path: string): Child | null {
    return findChild(this.store, path);
  }

  /** Adds a value where nothing is; what is wrong with it, or null. */
  add(path: string, text: string): string | null {
    try {
      // What is wrong with a path it says of itself, and not of a pattern.
      this.store.entry(path);
      if (this.childAt(path) !== null) return 'There is something at this path already.';
      this.edits.change(path, text);
      if (this.edits.save(path)) return null;
      const problem = this.edits.drafts.get().get(path)?.problem ?? null;
      this.edits.drop(path);
      return problem;
    } catch (error) {
      return explain(error);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const release of this.#releases) release();
    this.#search.get()?.close();
    this.outline.close();
    this.log.close();
    this.store.close();
  }

  async #start(): Promise<void> {
    try {
      await this.store.ready;
      if (this.#isClosed) return;
      this.outline.reload();
      this.#isReady.set(true);
    } catch (error) {
      if (!this.#isClosed) this.#problem.set(explain(error));
    }
  }

  #watchTree(): void {
    const again = (): void => {
      this.#watchTree();
      this.outline.reload();
    };
    const options = { maxQueue: QUEUE_MAX, onResync: () => this.#renew(release, again) };
    const release = this.store.on('**', ({ path }) => this.outline.touch(path), options);
    this.#releases.add(release);
  }

  #watchLog(): void {
    const again = (): void => this.#watchLog();
    const onResync = (): void => this.#renew(release, again);
    const options = { mode: 'committed', maxQueue: QUEUE_MAX, onResync } as const;
    const release = this.store.on('**', (event) => this.log.add(event), options);
    this.#releases.add(release);
  }

  /** A subscription that fell behind is made again. */
  #renew(release: () => void, again: () => void): void {
    this.#releases.delete(release);
    release();
    if (!this.#isClosed) again();
  }
}
