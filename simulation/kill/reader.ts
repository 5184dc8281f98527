import type { Json, Path, Seq } from '@holdfast/protocol';
import type { OnOptions, Store, WatchEvent } from '@holdfast/client';
import type { Bookmark, ClientHistory, Problem, WatchHistory } from '../validators/history.ts';
import { openSite, type Site } from './site.ts';

type Watch = Omit<WatchHistory, 'through' | 'events'> & { readonly events: WatchEvent[] };

/** A replica that only looks: it watches in every way there is, and notes what it shows at which seq. */
export class Reader {
  readonly name: string;
  readonly site: Site;
  readonly problems: Problem[] = [];
  readonly #watches: Watch[] = [];
  readonly #bookmarks: Bookmark[] = [];

  private constructor(name: string, site: Site) {
    this.name = name;
    this.site = site;
  }

  /** Opens a client of its own; begins to watch when that is ready. */
  static async open(name: string, port: number, errors: unknown[]): Promise<Reader> {
    const site = openSite(name, port, errors);
    await site.store.ready;
    return Reader.at(name, site);
  }

  /** Watches from now on what a client shows. */
  static at(name: string, site: Site): Reader {
    const reader = new Reader(name, site);
    reader.#watch('**', { includeCurrent: true }, true);
    reader.#watch('**', {}, true);
    reader.#watch('pair/**', { includeCurrent: true }, true);
    reader.#watch('own/*/1', { includeCurrent: true }, true);
    reader.#watch('n/*', { includeCurrent: true, delivery: 'latest' }, true);
    reader.#watch('n/*', { includeCurrent: true, delivery: { everyMs: 20 } }, true);
    return reader;
  }

  get seq(): Seq {
    return this.site.store.status.get().seq;
  }

  /** Notes what is shown now. */
  bookmark(): void {
    this.#bookmarks.push({ seq: this.seq, entries: leavesOf(this.site.store) });
  }

  history(): ClientHistory {
    const through = this.seq;
    return {
      client: this.name,
      made: [],
      watches: this.#watches.map((watch) => Object.assign({}, watch, { through })),
      bookmarks: this.#bookmarks,
      resumes: this.site.resumes,
      resyncs: this.site.resyncs,
    };
  }

  #watch(pattern: string, options: OnOptions, isWhole: boolean): void {
    const { delivery = 'every', includeCurrent = false } = options;
    const policy = typeof delivery === 'object' ? 'sample' : delivery;
    const events: WatchEvent[] = [];
    const name = `${this.name} watching ${pattern} (${policy})`;
    const from = this.seq;
    const mode = 'committed';
    this.#watches.push({ name, pattern, mode, policy, includeCurrent, isWhole, from, events });
    this.site.store.on(
      pattern,
      (event) => {
        events.push(event);
        if (event.path.startsWith('pair/')) this.#comparePair(event.path);
      },
      { mode, maxQueue: 1e6, ...options },
    );
  }

  /** Both halves of a transaction are shown together, whenever one looks (S80). */
  #comparePair(path: Path): void {
    const pair = path.slice(0, path.lastIndexOf('/'));
    const [left, right] = this.site.store.getMany([`${pair}/left`, `${pair}/right`]);
    if (left === right) return;
    this.problems.push({
      word: 'atomic',
      text: `${this.name} shows half of a transaction: ${path}`,
    });
  }
}

/** All leaves that a store shows. */
export function leavesOf(store: Store): readonly (readonly [Path, Json])[] {
  return store.entries().items.map(({ path, value }) => [path, value] as const);
}
