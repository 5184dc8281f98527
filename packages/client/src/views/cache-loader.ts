import { isObject, type JsonObject } from '@holdfast/protocol';
import type { CacheEntry } from './cache.ts';
import type { CacheUse, ViewCacheOptions } from './cache-options.ts';
import type { Mount } from './mount.ts';

type Entries = typeof CacheEntry;

/** Opens entries of the cache of a client's views; what does that is loaded for clients that have one. */
export class CacheLoader {
  readonly #options: ViewCacheOptions;
  readonly #loading: Promise<Entries>;
  #entries: Entries | null = null;

  constructor(options: ViewCacheOptions) {
    this.#options = options;
    this.#loading = import('./cache.ts').then(({ CacheEntry: loaded }) => (this.#entries = loaded));
  }

  /** Shows what is kept of a mount, or hears that there is nothing; then keeps it up to date. */
  open(
    mount: Mount,
    {
      key,
      use,
      missed,
    }: {
      readonly key: readonly (string | JsonObject)[];
      readonly use: CacheUse;
      readonly missed: () => void;
    },
  ): void {
    const own = isObject(use) ? use : {};
    const begin = (Entry: Entries): void => {
      const { settings, tree } = { settings: mount.settings, tree: () => mount.mirror.tree };
      const entry = new Entry({ ...this.#options, ...own }, key, { settings, tree });
      mount.keep(entry);
      entry.read((kept) => (kept === null ? missed() : mount.seed({ tree: kept }, true)));
    };
    if (this.#entries === null) void this.#loading.then(begin, missed);
    else begin(this.#entries);
  }
}
