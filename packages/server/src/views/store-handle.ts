import type { Fencing } from '@holdfast/protocol';

/** A path, escaped or as segments. */
export type PathInput = string | readonly string[];

/** What a write came to: the seq at which it is a fact. */
export type Committed = { readonly seq: number };

/** One leaf of a store. */
export type StoreLeaf = {
  readonly path: string;
  readonly value: unknown;
  readonly type: string;
  readonly revision: number;
};

/** What must be at the path for a write, or it is refused with `conflict` or `exists` (stores.md §5.1). */
export type WriteGuard = { readonly ifMatch?: number; readonly ifAbsent?: boolean };

/** The lease, of the same store, must be held when the write is committed, or it is refused with `fenced` (stores.md §5.1.3). */
export type FenceGuard = { readonly fence?: Fencing };

/** The writes of a store, alone or in a transaction. `Guard` is what all of them take. */
export type StoreWrites<Result, Guard = FenceGuard> = {
  put(path: PathInput, value: unknown, guard?: Guard & WriteGuard): Result;
  merge(path: PathInput, value: object, guard?: Guard): Result;
  delete(path: PathInput, guard?: Guard & WriteGuard): Result;
  increment(path: PathInput, by?: number, guard?: Guard): Result;
  add(path: PathInput, member: unknown, guard?: Guard): Result;
  remove(path: PathInput, member: unknown, guard?: Guard): Result;
};

/** The writes of a transaction, which is fenced as a whole. */
export type StoreTransaction = StoreWrites<void, { readonly fence?: never }> & {
  /** The lease, of the same store, must be held: else all of it is refused with `fenced`. */
  fence(lease: Fencing): void;
};

/** What is at a path of segments, as far as the shape of a store tells. */
export type ValueAt<Shape, Path extends readonly string[]> = Path extends readonly [
  infer Key extends keyof Shape,
]
  ? Shape[Key] | undefined
  : Path extends readonly [infer Key extends keyof Shape, ...infer Rest extends readonly string[]]
    ? ValueAt<NonNullable<Shape[Key]>, Rest>
    : unknown;

/**
 * A Holdfast store as a view has it: in `render` and `watch` its reads are tracked, and a change of what was read
 * renders again (views.md §11.2). Writes go to the store's authority, and throw in `render`.
 */
export type ViewStore<Shape = unknown> = StoreWrites<Promise<Committed>> & {
  readonly name: string;
  /** Settles when the store is open; rejects where there is no such store, or the principal may not use it. */
  readonly ready: Promise<void>;
  /** What is at a path, as a plain frozen value; undefined where nothing is. */
  get<Key extends keyof Shape & string>(key: Key): Shape[Key] | undefined;
  get<const Path extends readonly string[]>(path: Path): ValueAt<Shape, Path>;
  get(path: PathInput): unknown;
  /** The leaves that a pattern matches, in the order of their paths. */
  entries(pattern?: string): readonly StoreLeaf[];
  /** All of these writes or none. */
  transact(write: (tx: StoreTransaction) => void): Promise<Committed>;
};

/** Opens a store by its name, with the authority of the server, or `as` the principal (views.md §11.2). */
export type OpenViewStore<Stores> = <Name extends keyof Stores & string>(
  name: Name,
  options?: { readonly as?: 'principal' },
) => ViewStore<Stores[Name]>;
