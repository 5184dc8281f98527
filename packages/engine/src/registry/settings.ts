import { utf8Length } from '@holdfast/protocol';
import type { GetOptions, RegistryConfig, RegistryProblem } from './types.ts';

type Filled =
  | 'onMismatch'
  | 'provisionalMs'
  | 'loadTimeout'
  | 'closeTimeout'
  | 'errorTtl'
  | 'retry'
  | 'maxEntries'
  | 'timers';

/** A registry's configuration with its defaults filled in (registry.md §1). */
export type Settings<T, O extends object> = RegistryConfig<T, O> &
  Required<Pick<RegistryConfig<T, O>, Filled>> & {
    readonly ttl: number;
    /** Takes a failure that no caller could be told of. */
    readonly report: (problem: RegistryProblem) => void;
    /** Tells a developer. */
    readonly tellDeveloper: (message: string) => void;
  };

/** Fills in the defaults. */
export function settingsOf<T, O extends object>(config: RegistryConfig<T, O>): Settings<T, O> {
  const { env, name } = config;
  const tellDeveloper = (message: string): void => {
    if (env.dev) env.warn?.(`${name}: ${message}`);
  };
  return {
    onMismatch: env.dev ? 'warn' : 'reuse',
    provisionalMs: 5000,
    loadTimeout: 30_000,
    closeTimeout: 10_000,
    errorTtl: 5000,
    retry: { attempts: 3, baseMs: 250, capMs: 10_000, isTransient },
    maxEntries: Infinity,
    timers: true,
    ...config,
    ttl: checkedTtl(config.defaults?.ttl ?? 60_000),
    report: (problem) => {
      try {
        if (config.onError !== undefined) config.onError(problem);
        else tellDeveloper(`${problem.phase} failed: ${String(problem.error)}`);
      } catch (error) {
        tellDeveloper(`onError failed: ${String(error)}`);
      }
    },
    tellDeveloper,
  };
}

/** A time to live as given, or a RangeError (registry.md §3.2). */
export function checkedTtl(ttl: number): number {
  if (typeof ttl === 'number' && ttl >= 0) return ttl;
  throw new RangeError(`ttl must be a number of ms from 0, not ${String(ttl)}`);
}

const keyBytesMax = 1024;

/** Throws a TypeError for a key that no entry can have (registry.md §3.1). */
export function checkKey<T, O extends object>(settings: Settings<T, O>, key: string): void {
  const bytes = typeof key === 'string' ? utf8Length(key) : 0;
  if (bytes < 1 || bytes > keyBytesMax) {
    throw new TypeError(`a key must be well-formed text of 1 to ${keyBytesMax} bytes`);
  }
  settings.checkKey?.(key);
}

/** One use of an entry, checked: what it asks of a load, and how long it keeps the entry. */
export type Call<O extends object> = Partial<O> & GetOptions & { readonly ttl: number };

/** Defaults overlaid with the call's options, without those of the hold (registry.md §3.2–3). */
export function loadOptions<T, O extends object>(settings: Settings<T, O>, call: Partial<O>): O;
export function loadOptions(
  settings: { readonly defaults?: object; readonly deepMerge?: readonly PropertyKey[] },
  call: object,
): object {
  const { defaults = {}, deepMerge = [] } = settings;
  const options: object & GetOptions = overlaid(defaults, call, (name) => deepMerge.includes(name));
  const { ttl: _ttl, signal: _signal, hold: _hold, provisional: _, ...own } = options;
  return own;
}

/** An `undefined` never erases what is below it. */
function overlaid(base: object, over: object, isDeep: (name: string) => boolean): object {
  const members = new Map<string, unknown>(Object.entries(base));
  const own: [string, unknown][] = Object.entries(over);
  for (const [name, value] of own) {
    const below = members.get(name);
    if (value === undefined) continue;
    const isMerged = isDeep(name) && isPlain(below) && isPlain(value);
    members.set(name, isMerged ? overlaid(below, value, () => true) : value);
  }
  return Object.fromEntries(members);
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function isTransient(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'retry' in error && error.retry === 'later';
}
