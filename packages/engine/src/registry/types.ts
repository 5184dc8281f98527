/** Ends what it was given for; idempotent, and never throws (registry.md §1). */
export type Release = (() => void) & Disposable;

/**
 * What a registry knows of the world (registry.md §1). The engine has no clock of its own, so there is no default:
 * client and server pass their platform's, tests a virtual one.
 */
export interface Env {
  now(): number;
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
  random(): number;
  dev: boolean;
  /** Where warnings for developers go; called only when `dev`. */
  warn?(message: string): void;
}

/** Why a value was closed (registry.md §1). */
export type CloseReason =
  | 'unused'
  | 'capacity'
  | 'evict'
  | 'reset'
  | 'replace'
  | 'self'
  | 'dispose';

/** Where an entry is in its life (registry.md §2). */
export type EntryState<T> =
  | { status: 'idle'; generation: number }
  | {
      status: 'loading';
      generation: number;
      attempt: number;
      since: number;
      retryAt?: number;
      lastError?: unknown;
    }
  | { status: 'ready'; generation: number; value: T; since: number }
  | { status: 'failed'; generation: number; error: unknown; until: number }
  | { status: 'closing'; generation: number; reason: CloseReason }
  | { status: 'closed'; generation: number; reason: CloseReason; error?: unknown };

/** How long a use keeps its entry: while it lasts and `ttl` ms after; `signal` ends it (registry.md §5). */
export interface HoldOptions {
  ttl?: number;
  signal?: AbortSignal;
}

/** Options of `get`: whether a pending call is a hold, and whether its caller may never come back (registry.md §5.3). */
export interface GetOptions extends HoldOptions {
  hold?: boolean;
  provisional?: boolean;
}

/** What a `load` is told about its call. */
export interface LoadContext {
  signal: AbortSignal;
  attempt: number;
  generation: number;
}

/** What a `close` is told about its call; `signal` aborts when nobody waits for it any more. */
export interface CloseContext {
  key: string;
  reason: CloseReason;
  signal: AbortSignal;
}

/** How a transient failure of a load is tried again: full-jitter exponential back-off (registry.md §6.1). */
export interface RetryPolicy {
  attempts: number;
  baseMs: number;
  capMs: number;
  isTransient(error: unknown): boolean;
}

/** Something that failed where no caller could be told. */
export interface RegistryProblem {
  phase: 'load' | 'close' | 'listener' | 'watch';
  key?: string;
  error: unknown;
}

/** What a call does whose options differ from those its value was loaded with (registry.md §3.3). */
export type OnMismatch = 'reuse' | 'warn' | 'throw' | 'replace';

/** How a registry loads, keeps and closes its values (registry.md §1, defaults there). `T` must not be thenable. */
export interface RegistryConfig<T, O extends object> {
  name: string;
  load(key: string, options: O, ctx: LoadContext): T | Promise<T>;
  close?(value: T, ctx: CloseContext): void | Promise<void>;
  /** Calls `closed` when the value closed itself; returns how to stop watching. */
  watch?(value: T, closed: (error?: unknown) => void): () => void;
  /** True while the value must not be closed for `unused` or `capacity`, such as with unsaved work. */
  busy?(value: T): boolean;
  /** Throws a TypeError for a key that this registry does not take. */
  checkKey?(key: string): void;
  /** What two calls must agree on to share a value; compared with Object.is, or shallowly. */
  identity?(options: O): unknown;
  onMismatch?: OnMismatch;
  deepMerge?: readonly (keyof O)[];
  defaults?: Partial<O> & { ttl?: number };
  provisionalMs?: number;
  loadTimeout?: number;
  closeTimeout?: number;
  errorTtl?: number;
  retry?: RetryPolicy;
  abortUnused?: 'ttl' | 'immediate';
  maxEntries?: number;
  /** False where no timer may outlive a request: time limits, back-off and protections are then judged on use only. */
  timers?: boolean;
  env: Env;
  signal?: AbortSignal;
  onError?(problem: RegistryProblem): void;
}

/** A hold with its value (registry.md §4.2). `signal` aborts when the value's generation closes. */
export interface Lease<T> extends AsyncDisposable {
  readonly key: string;
  readonly value: T;
  readonly generation: number;
  readonly signal: AbortSignal;
  update(options: HoldOptions): void;
  release(): void;
}

/** One line of `list()`: `ttl` is the longest of the live holds. */
export interface EntryInfo {
  key: string;
  status: EntryState<unknown>['status'];
  generation: number;
  holds: number;
  ttl: number | null;
  protectedUntil: number;
  lastUsedAt: number;
  error?: unknown;
}

/** Counters since the start (`loads` counts generations, `closes` closed values), and gauges of now. */
export interface RegistryStats {
  entries: number;
  ready: number;
  held: number;
  loads: number;
  hits: number;
  failures: number;
  retries: number;
  closes: number;
  evictions: number;
  listenerErrors: number;
}

/** What happened to an entry, without saying to which. */
export type RegistryEventDetail =
  | {
      type:
        | 'added'
        | 'loading'
        | 'ready'
        | 'held'
        | 'released'
        | 'unused'
        | 'removed'
        | 'closeTimedOut'
        | 'overCapacity';
    }
  | { type: 'retry'; attempt: number; error: unknown; retryAt: number }
  | { type: 'failed'; error: unknown }
  | { type: 'closing' | 'closed'; reason: CloseReason; error?: unknown }
  | { type: 'mismatch' }
  | { type: 'disposed' };

/** One transition of one entry; `held` and `released` are the first hold and the end of the last. */
export type RegistryEvent = { at: number; key: string; generation: number } & RegistryEventDetail;
