import { explain } from './edits.ts';
import { Cell, Frame, type Readable } from './signal.ts';
import { nameOf } from './path.ts';
import type { Row } from './outline.ts';

/** The lines that match what is searched for; `error` where it is no pattern. */
export type Matches = {
  readonly rows: readonly Row[];
  readonly hasMore: boolean;
  readonly error: string | null;
};

/** What searching needs of a store. */
export interface Searched {
  entries(
    pattern: string,
    page: { readonly limit: number },
  ): { readonly items: readonly { readonly path: string }[]; readonly next: string | null };
  on(pattern: string, callback: () => void, options: object): () => void;
}

const howToSearch = 'A * stands for one name, and ** at the end for all that is below.';

/** No list that a person reads is longer. */
const MATCHES_MAX = 1000;

/** The patterns that a search text stands for: itself, and without a wildcard all below it, too. */
export function patternsOf(text: string): readonly string[] {
  const pattern = text.trim().replace(/\/+$/, '');
  if (pattern === '') return [];
  return /(^|\/)\*\*?($|\/)/.test(pattern) ? [pattern] : [pattern, `${pattern}/**`];
}

/** A list of the leaves whose paths match a pattern, kept up to date. */
export class Search {
  readonly #store: Searched;
  readonly #patterns: readonly string[];
  readonly #matches = new Cell<Matches>({ rows: [], hasMore: false, error: null });
  readonly #frame = new Frame(() => this.#list());
  #release: (() => void)[] = [];

  constructor(store: Searched, text: string) {
    this.#store = store;
    this.#patterns = patternsOf(text);
    try {
      this.#watch();
      this.#list();
    } catch (error) {
      this.#fail(error);
    }
  }

  get matches(): Readable<Matches> {
    return this.#matches;
  }

  close(): void {
    this.#frame.cancel();
    for (const release of this.#release) release();
    this.#release = [];
  }

  #watch(): void {
    const again = (): void => this.#frame.request();
    const onResync = (): void => {
      this.close();
      this.#watch();
      again();
    };
    this.#release = this.#patterns.map((pattern) => this.#store.on(pattern, again, { onResync }));
  }

  #list(): void {
    const pages = this.#patterns.map((pattern) =>
      this.#store.entries(pattern, { limit: MATCHES_MAX }),
    );
    const paths = pages.flatMap(({ items }) => items.map(({ path }) => path)).slice(0, MATCHES_MAX);
    const rows = paths.map((path, index) => lineOf(path, index, paths.length));
    this.#matches.set({ rows, hasMore: pages.some(({ next }) => next !== null), error: null });
  }

  #fail(error: unknown): void {
    const why = `${explain(error)} ${howToSearch}`;
    this.#matches.set({ rows: [], hasMore: false, error: why });
  }
}

function lineOf(path: string, index: number, count: number): Row {
  const place = { level: 1, isOpen: false, position: index + 1, siblings: count };
  return { path, name: nameOf(path), isMap: false, ...place };
}
