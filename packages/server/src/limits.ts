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

/** How much may be kept: in each store, and how many `stores` an org may have (stores.md §12.3). */
export type ServerQuotas = Quotas & { readonly stores?: number };

const quotaNames: ReadonlySet<string> = new Set(['keys', 'file_storage', 'stores']);

/** The quotas in force; a name or a number that would limit nothing is an error of the caller. */
export function quotasOf(quotas: ServerQuotas = {}): { readonly quotas?: ServerQuotas } {
  for (const [name, quota] of Object.entries(quotas)) {
    if (!quotaNames.has(name)) throw new TypeError(`There is no quota "${name}".`);
    if (Number.isSafeInteger(quota) && quota >= 0) continue;
    throw new RangeError(`The quota "${name}" is ${quota}; it must be a non-negative integer.`);
  }
  return Object.keys(quotas).length === 0 ? {} : { quotas };
}
