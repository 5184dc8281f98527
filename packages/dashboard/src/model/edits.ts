import { ConflictError, type Json, type Receipt, type Store } from '@holdfast/client';
import { disclose } from './disclose.ts';
import { Cell, type Readable } from './signal.ts';
import { editableText, isSingleLeaf, parseText } from './value.ts';

/** What an edit began with; null: with nothing at the path. */
export type Base = { readonly revision: number; readonly text: string } | null;

/** An edit that is not saved. */
export type Draft = {
  readonly path: string;
  readonly text: string;
  readonly base: Base;
  /** Why it could not be saved; null while nothing is wrong. */
  readonly problem: string | null;
  /** To be saved as soon as the save before it is decided. */
  readonly isQueued: boolean;
};

export type Drafts = ReadonlyMap<string, Draft>;

type Save = { readonly receipt: Receipt; readonly draft: Draft };

/**
 * The edits of a person, each kept until it is saved or given up. A save is guarded by the revision that the edit began
 * with, so that it never overwrites what nobody has seen; refused, it comes back as a draft.
 */
export class Edits {
  readonly #store: Store;
  readonly #drafts = new Cell<Drafts>(new Map());
  readonly #saves = new Map<string, Save>();

  constructor(store: Store) {
    this.#store = store;
  }

  get drafts(): Readable<Drafts> {
    return this.#drafts;
  }

  /** What the path holds now, as something to begin with. */
  present(path: string): Base {
    const entry = this.#store.entry(path);
    return entry === undefined
      ? null
      : { revision: entry.revision, text: editableText(entry.value) };
  }

  change(path: string, text: string): void {
    const known = this.#drafts.get().get(path);
    const base = known === undefined ? this.present(path) : known.base;
    if (known === undefined && text === base?.text) return;
    this.#put({ path, text, base, problem: null, isQueued: false });
  }

  /** Gives an edit up. */
  drop(path: string): void {
    const drafts = new Map(this.#drafts.get());
    if (drafts.delete(path)) this.#drafts.set(drafts);
  }

  /** Says that the edit is meant to replace what the path holds now. */
  rebase(path: string): void {
    const draft = this.#drafts.get().get(path);
    if (draft !== undefined) this.#put({ ...draft, base: this.present(path), problem: null });
  }

  /** Saves an edit; false if there is something to be mended first. */
  save(path: string): boolean {
    const draft = this.#drafts.get().get(path);
    if (draft === undefined) return true;
    const parsed = parseText(draft.text);
    if (!parsed.ok) {
      this.#put({ ...draft, problem: parsed.problem });
      return false;
    }
    const base = this.#baseFor(draft);
    if (base === 'wait') {
      this.#put({ ...draft, isQueued: true });
      return true;
    }
    return this.#send({ ...draft, base, isQueued: false }, parsed.value);
  }

  /** Whether somebody else changed the path since the edit began. */
  isStale(draft: Draft): boolean {
    if (this.#saves.has(draft.path)) return false;
    return this.present(draft.path)?.revision !== draft.base?.revision;
  }

  /** A save that was never sent is taken back, for the new one takes its place; one on its way must be decided first. */
  #baseFor(draft: Draft): Base | 'wait' {
    const earlier = this.#saves.get(draft.path);
    if (earlier === undefined) return draft.base;
    if (!earlier.receipt.cancel()) return 'wait';
    this.#saves.delete(draft.path);
    return earlier.draft.base;
  }

  #send(draft: Draft, value: Json): boolean {
    const { path, base } = draft;
    try {
      const receipt = this.#store.put(path, value, guardOf(base, value));
      if (receipt.outcome?.status === 'refused') {
        this.#put({ ...draft, problem: explain(receipt.outcome.error) });
        return false;
      }
      this.drop(path);
      const save = { receipt, draft };
      this.#saves.set(path, save);
      void this.#follow(save);
      return true;
    } catch (error) {
      this.#put({ ...draft, problem: explain(error) });
      return false;
    }
  }

  async #follow(save: Save): Promise<void> {
    const { path } = save.draft;
    try {
      const { seq } = await save.receipt.committed;
      this.#decided(save, { revision: seq, text: save.draft.text });
    } catch (error) {
      if (this.#saves.get(path) !== save) return;
      // What was edited on top of it says what the person wants now, also where it is on its way itself.
      const isOutdated = this.#drafts.get().has(path);
      this.#decided(save, save.draft.base);
      if (!isOutdated) this.#put({ ...save.draft, problem: explain(error) });
    }
  }

  /** What was edited on top of a save is, after it, based on what the save left there. */
  #decided(save: Save, base: Base): void {
    const { path } = save.draft;
    if (this.#saves.get(path) !== save) return;
    this.#saves.delete(path);
    const next = this.#drafts.get().get(path);
    if (next === undefined) return;
    this.#put({ ...next, base, isQueued: false });
    if (next.isQueued) this.save(path);
  }

  #put(draft: Draft): void {
    this.#drafts.set(new Map(this.#drafts.get()).set(draft.path, draft));
  }
}

/** A map of several leaves has no one revision to be guarded by. */
function guardOf(base: Base, value: unknown): { ifMatch?: number; ifAbsent?: boolean } {
  if (!isSingleLeaf(value)) return {};
  return base === null ? { ifAbsent: true } : { ifMatch: base.revision };
}

/** What went wrong, for people. */
export function explain(error: unknown): string {
  if (error instanceof ConflictError) return 'Somebody else changed it first.';
  if (!(error instanceof Error)) return String(error);
  // Messages begin with the code, which people need not read twice.
  return disclose(error.message.replace(/^[\w ]+: /, ''));
}
