import type { Entry, Json, Path, Seq } from '@holdfast/protocol';
import { handled } from './handled.ts';
import type * as History from './history.ts';
import { later } from './later.ts';
import type { Page, PageOptions, Select } from './listing.ts';
import type { StoreDesk } from './store-call.ts';
import type { PathInput } from './writes.ts';

/** What asks for the past: loaded when it is first asked for. */
export function pastOf(): Promise<typeof History> {
  return later(import('./history.ts'));
}

/** A store as it was at a seq (stores.md §13.1.4), to be read like the present one; all of it is asked of the server. */
export class Past {
  readonly seq: Seq;
  readonly #desk: StoreDesk;

  /** Made by `store.at`. */
  constructor(desk: StoreDesk, seq: Seq) {
    this.#desk = desk;
    this.seq = seq;
  }

  /** The value at a path then; undefined where nothing was. */
  get(path: PathInput): Promise<Json | undefined> {
    return handled(async () => (await this.entry(path))?.value);
  }

  /** The value at a path with its type, and the revision that it had. */
  entry(path: PathInput): Promise<Entry | undefined> {
    return handled(async () => (await pastOf()).entryAt(this.#desk, this.seq, path));
  }

  /** The leaves that matched a pattern, in path order: all of them, unless there is a `limit`. */
  entries(
    pattern?: string,
    options?: PageOptions & { readonly select?: 'entries' },
  ): Promise<Page<Entry>>;
  entries(
    pattern: string,
    options: PageOptions & { readonly select: 'keys' | 'prefixes' },
  ): Promise<Page<Path>>;
  entries(
    pattern = '**',
    options: PageOptions & { readonly select?: Select } = {},
  ): Promise<Page<Entry | Path>> {
    const listing = { seq: this.seq, pattern, options };
    return handled(async () => (await pastOf()).entriesAt(this.#desk, listing));
  }
}
