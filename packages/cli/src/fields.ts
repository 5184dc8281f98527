import { isObject } from '@holdfast/protocol';

/** A field of an answer as text. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}

/** The objects of a list of an answer. */
export function listOf(value: unknown): readonly { readonly [field: string]: unknown }[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
