/** How a stream keys, cuts and keeps its items (views.md §8.3). */
export type StreamOptions<Item> = {
  /** Default: `<stream>-<item.id>`. */
  readonly key?: (item: Item) => string;
  /** How many items clients keep. Default: all; a shared view has to have one. */
  readonly limit?: number;
  /** Whether the server keeps the items too; needs `limit`. Streams of shared views always are. */
  readonly retain?: boolean;
  /** Which end is cut, wherever items go in; retained streams only. */
  readonly trim?: 'start' | 'end';
};

/** A declared stream; made by {@link stream}. */
export type StreamDeclaration<Item> = StreamOptions<Item> & {
  readonly kind: 'stream';
  readonly '~item'?: Item;
};

/** The items of a declared stream. */
export type ItemOf<Declaration> = Declaration extends { readonly '~item'?: infer Item }
  ? NonNullable<Item>
  : never;

/** Declares a stream of items. Throws a `TypeError` where `retain` or `trim` lack what they need. */
export function stream<Item>(options: StreamOptions<Item> = {}): StreamDeclaration<Item> {
  const { limit, retain = false, trim } = options;
  if (limit !== undefined && !Number.isSafeInteger(limit)) {
    throw new TypeError('stream: "limit" must be an integer.');
  }
  if (retain && limit === undefined) throw new TypeError('stream: "retain" needs "limit".');
  if (trim !== undefined && !retain) throw new TypeError('stream: "trim" needs "retain".');
  return Object.freeze({ ...options, kind: 'stream' });
}

/** Where an item goes, and how many stay (views.md §8.1): −1, the default, appends, 0 prepends; null: all stay. */
export type Placement = { readonly at?: number; readonly limit?: number | null };

/** A stream of a node, as its tasks have it (views.md §8.3). */
export type StreamHandle<Item> = {
  /** Empties it, then appends these. */
  reset(items?: readonly Item[], placement?: Placement): void;
  insert(item: Item, placement?: Placement): void;
  delete(item: Item): void;
  deleteKey(key: string): void;
  /** Replaces an item in its place, if it is there; retained streams only. */
  update(item: Item): void;
  /** What it holds; retained streams only. */
  items(): readonly Item[];
};
