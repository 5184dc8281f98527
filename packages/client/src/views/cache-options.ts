import type { Json } from '@holdfast/protocol';

/** What is kept of a root: its tree, without streams and uploads (views.md §12.10). */
export type CachedView = {
  readonly tree: Json;
  /** By the wall clock, in milliseconds. */
  readonly updatedAt: number;
  readonly buster: string;
};

/** Keeps trees by key. Any of it may be slow, or fail: the worst that follows is a cold mount. */
export interface Persister {
  /** It outlives the page, so a cache on it needs a `scope`. */
  readonly durable?: boolean;
  get(key: string): unknown;
  set(key: string, entry: CachedView): unknown;
  delete(key: string): unknown;
  clear(): unknown;
}

/** Where a client keeps the trees of its views. */
export type ViewCacheOptions = {
  readonly persister: Persister;
  /** Older entries count for nothing; default 5 minutes. */
  readonly gcTime?: number;
  /** Entries of another one count for nothing, such as those of an older version of the application. */
  readonly buster?: string;
  /** Whose views they are, such as the id of the user. */
  readonly scope?: string;
};

/** Whether a view is cached, and what of the client's options is different for it. */
export type CacheUse = boolean | Pick<ViewCacheOptions, 'gcTime' | 'buster'> | undefined;

/** What is to be kept: of which root, how, and who hears that nothing was. */
export type Keeping = {
  readonly root: readonly [module: string, id: string];
  readonly use: CacheUse;
  readonly missed: () => void;
};
