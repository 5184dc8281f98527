import { utf8Length } from '@holdfast/protocol';
import { type Settings, checkedTtl } from './settings.ts';
import type { GetOptions } from './types.ts';

/** One use of an entry, checked: what it asks of a load, and how long it keeps the entry. */
export interface Call<O extends object> {
  readonly given: Partial<O>;
  readonly ttl: number;
  readonly signal: AbortSignal | undefined;
  readonly hold: boolean;
  readonly provisional: boolean;
}

const keyBytesMax = 1024;
/** Names that belong to the hold and never reach `load` (registry.md §3.3). */
const holdNames: ReadonlySet<string> = new Set(['ttl', 'signal', 'hold', 'provisional']);

/** Reads the options of one use. */
export function callOf<T, O extends object>(
  settings: Settings<T, O>,
  options: Partial<O> & GetOptions,
): Call<O> {
  return {
    given: options,
    ttl: checkedTtl(options.ttl ?? settings.ttl),
    signal: options.signal,
    hold: options.hold ?? true,
    provisional: options.provisional ?? false,
  };
}

/** Throws a TypeError for a key that no entry can have (registry.md §3.1). */
export function checkKey<T, O extends object>(settings: Settings<T, O>, key: string): void {
  if (typeof key !== 'string' || utf8Length(key) < 1 || utf8Length(key) > keyBytesMax) {
    throw new TypeError(`a key must be well-formed text of 1 to ${keyBytesMax} bytes`);
  }
  settings.config.checkKey?.(key);
}

/** Defaults overlaid with the call's options; an `undefined` never erases a default (registry.md §3.2). */
export function loadOptions<T, O extends object>(settings: Settings<T, O>, given: Partial<O>): O;
export function loadOptions(
  settings: { config: { defaults?: object; deepMerge?: readonly PropertyKey[] } },
  given: object,
): object {
  const deep = new Set(settings.config.deepMerge);
  const options = new Map<string, unknown>();
  for (const [name, value] of [...membersOf(settings.config.defaults ?? {}), ...membersOf(given)]) {
    if (value === undefined || holdNames.has(name)) continue;
    options.set(name, deep.has(name) ? merged(options.get(name), value) : value);
  }
  return Object.fromEntries(options);
}

function merged(base: unknown, over: unknown): unknown {
  if (over === undefined) return base;
  if (!isPlain(base) || !isPlain(over)) return over;
  const members = new Map(membersOf(base));
  for (const [name, value] of membersOf(over)) members.set(name, merged(members.get(name), value));
  return Object.fromEntries(members);
}

function membersOf(value: object): [string, unknown][] {
  return Object.entries(value);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isPlain(value: unknown): value is object {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
