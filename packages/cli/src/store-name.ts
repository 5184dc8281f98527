import { parseStoreName, type StoreName } from '@holdfast/protocol';
import { misuse } from './failure.ts';

/** Every command about one store names it first. */
export const storeArg = {
  type: 'positional',
  description: 'The store, as org/name',
} as const;

/** The name of a store, checked. */
export function readStoreName(text: string): StoreName {
  const name = parseStoreName(text);
  if (name !== null) return name;
  throw misuse(
    `"${text}" is not the name of a store.`,
    'A name is org/name: lower-case letters, digits, dot, underscore and hyphen, such as demo/main.',
  );
}
