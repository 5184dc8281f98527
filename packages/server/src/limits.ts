import type { Quotas } from '@holdfast/engine/authority';
import { defaultLimits, type Limits } from '@holdfast/protocol';

/** The limits in force; a name or a number that would limit nothing is an error of the caller. */
export function limitsOf(overrides: Partial<Limits> = {}): Limits {
  for (const [name, limit] of Object.entries(overrides)) {
    if (!Object.hasOwn(defaultLimits, name)) throw new TypeError(`There is no limit "${name}".`);
    if (Number.isSafeInteger(limit) && limit > 0) continue;
    throw new RangeError(`The limit "${name}" is ${limit}; it must be a positive integer.`);
  }
  return { ...defaultLimits, ...overrides };
}

/** The quotas in force; a name or a number that would limit nothing is an error of the caller. */
export function quotasOf(quotas: Quotas = {}): { readonly quotas?: Quotas } {
  for (const [name, quota] of Object.entries(quotas)) {
    const isKnown = name === 'keys' || name === 'file_storage';
    if (!isKnown) throw new TypeError(`There is no quota "${name}".`);
    if (Number.isSafeInteger(quota) && quota >= 0) continue;
    throw new RangeError(`The quota "${name}" is ${quota}; it must be a non-negative integer.`);
  }
  return Object.keys(quotas).length === 0 ? {} : { quotas };
}
