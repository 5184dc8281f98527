declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A valid path in rendered form: escaped segments joined with `/` (stores.md §2.1). */
export type Path = Brand<string, 'Path'>;

/** A valid glob in rendered form (stores.md §2.2). */
export type Glob = Brand<string, 'Glob'>;

/** `org/name` of a store (stores.md §1.1.1). */
export type StoreName = Brand<string, 'StoreName'>;

/** A sequence number of one store, dense from 1; 0 is "before the first op". A plain number, by name. */
export type Seq = number;

/** Milliseconds since the Unix epoch, by the wall clock. A plain number, by name. */
export type EpochMs = number;

/** Milliseconds of a clock that never goes back; only differences mean something. */
export type MonotonicMs = number;

/** A client's id of one intent, 1…128 bytes (stores.md §6.1). */
export type OpId = string;

/** A client installation, 1…128 bytes (stores.md §7.1.2). */
export type DeviceId = string;

/* oxlint-disable typescript/no-unsafe-type-assertion -- the one place where brands are given */

/** Brands a rendered path that comes from a trusted place, such as our own storage; `toPath` checks others. */
export function asPath(rendered: string): Path {
  return rendered as Path;
}

/** Brands a rendered glob that comes from a trusted place; `parseGlob` checks others. */
export function asGlob(rendered: string): Glob {
  return rendered as Glob;
}

/** Brands a store name that comes from a trusted place; `parseStoreName` checks others. */
export function asStoreName(text: string): StoreName {
  return text as StoreName;
}
