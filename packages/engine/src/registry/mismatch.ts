import { HoldfastError } from '@holdfast/protocol';
import { loadOptions } from './call.ts';
import type { Keeper } from './keeper.ts';

/** A use of a live entry, and the options that the entry was loaded with. */
export interface Comparison<O extends object> {
  readonly key: string;
  readonly given: Partial<O>;
  readonly live: O;
  readonly held: boolean;
  /** Emits the event `mismatch`. */
  tell(): void;
}

/** Applies the mismatch policy (registry.md §3.3): true if the live generation must be replaced; it may throw. */
export function mustReplace<T, O extends object>(
  keeper: Keeper<T, O>,
  use: Comparison<O>,
): boolean {
  const { settings } = keeper;
  const { config } = settings;
  if (config.identity === undefined) return false;
  const asked = config.identity(loadOptions(settings, use.given));
  if (sameIdentity(asked, config.identity(use.live))) return false;
  const policy = settings.onMismatch;
  if (policy === 'reuse') return false;
  if (policy === 'warn') {
    if (!settings.env.dev || !keeper.firstMismatch(use.key)) return false;
    use.tell();
    settings.warn(`${use.key} is open with other options; the first ones stay in force`);
    return false;
  }
  use.tell();
  if (policy === 'replace' && !use.held) return true;
  throw new HoldfastError('option_mismatch', { key: use.key });
}

/** Whether two identities agree: the same by Object.is, or member by member. */
function sameIdentity(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b) || Array.isArray(a) !== Array.isArray(b)) return false;
  const others = new Map<string, unknown>(Object.entries(b));
  const members: [string, unknown][] = Object.entries(a);
  return (
    members.length === others.size &&
    members.every(([name, value]) => others.has(name) && Object.is(value, others.get(name)))
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
