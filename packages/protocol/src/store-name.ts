import { asStoreName, type StoreName } from './brand.ts';

const shape = /^[a-z0-9][a-z0-9-]{0,62}\/[a-z0-9][a-z0-9._-]{0,127}$/;

/** Reads `org/name` (stores.md §1.1.1); null if it is anything else. */
export function parseStoreName(text: unknown): StoreName | null {
  return typeof text === 'string' && shape.test(text) ? asStoreName(text) : null;
}
