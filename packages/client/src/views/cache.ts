import { type HoldfastError, isObject, type Json } from '@holdfast/protocol';
import { nodeIdOf } from '@holdfast/protocol/views';
import { conduct } from '@holdfast/engine/registry';
import type { Settings } from '../options.ts';
import type { Keeping, ViewCacheOptions } from './cache-options.ts';
import type { Mount } from './mount.ts';

const gcMs = 300_000;
const writeMs = 1000;

/** Shows what is kept of a mount, or tells that there is nothing; then keeps it up to date. */
export function keepTree(
  options: ViewCacheOptions,
  mount: Mount,
  { root, use, missed }: Keeping,
): void {
  const { settings } = mount;
  const own = isObject(use) ? use : {};
  const tree = (): Json | undefined => mount.mirror.tree;
  const key = (): string => JSON.stringify([options.scope ?? '', ...root, mount.had]);
  const entry = new CacheEntry({ ...options, ...own }, key, { settings, tree });
  mount.keep(entry);
  entry.read((kept) => (kept === null ? missed() : mount.seed({ tree: kept }, true)));
}

/** The entry of one root in the cache. */
class CacheEntry {
  readonly #options: ViewCacheOptions;
  /** Of the params that the tree is of. */
  readonly #keyNow: () => string;
  #key: string;
  readonly #settings: Settings;
  readonly #tree: () => Json | undefined;
  #timer: unknown;
  #isDue = false;

  constructor(
    options: ViewCacheOptions,
    key: () => string,
    { settings, tree }: { readonly settings: Settings; readonly tree: () => Json | undefined },
  ) {
    this.#options = options;
    this.#keyNow = key;
    this.#key = key();
    this.#settings = settings;
    this.#tree = tree;
  }

  /** Reads it: at once where the persister answers at once. */
  read(found: (tree: Json | null) => void): void {
    const { persister } = this.#options;
    const { report } = this.#settings;
    conduct(
      () => persister.get(this.#key),
      (entry) => found(this.#fit(entry)),
      (error) => {
        report(error);
        found(null);
      },
    );
  }

  /** The tree is another: it is written soon, and not more often than once a second. */
  advanced(): void {
    this.#isDue = true;
    this.#key = this.#keyNow();
    this.#timer ??= this.#settings.env.setTimeout(() => this.flush(), writeMs);
  }

  /** Writes now what is due; what somebody may not see is not shown to them again. */
  flush(why?: HoldfastError): void {
    const { env } = this.#settings;
    env.clearTimeout(this.#timer);
    this.#timer = undefined;
    const tree = this.#tree();
    const { persister, buster = '' } = this.#options;
    const refused = why?.code === 'unauthorized' ? this.#keyNow() : null;
    const isDue = this.#isDue && tree !== undefined && refused !== this.#key;
    this.#isDue = false;
    if (isDue) this.#do(() => persister.set(this.#key, { tree, updatedAt: env.wall(), buster }));
    if (refused !== null) this.#do(() => persister.delete(refused));
  }

  #do(change: () => unknown): void {
    conduct(change, () => undefined, this.#settings.report);
  }

  #fit(entry: unknown): Json | null {
    if (!isObject(entry)) return null;
    const { gcTime = gcMs, buster = '' } = this.#options;
    const { tree, updatedAt } = entry;
    const age = typeof updatedAt === 'number' ? this.#settings.env.wall() - updatedAt : Infinity;
    const isFit = entry['buster'] === buster && age <= gcTime && nodeIdOf(tree) !== null;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written here as JSON
    return isFit ? (tree as Json) : null;
  }
}
