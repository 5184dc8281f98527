import { isObject, type Json, type JsonObject } from '@holdfast/protocol';
import { canonicalJson } from '@holdfast/protocol/record';

/** Whether two stored values are equal (records.md §3.3); undefined stands for absence. */
export function sameStored(a: Json | undefined, b: Json | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a === b || canonicalJson(a) === canonicalJson(b);
}

/** The top-level members in which two objects differ; what is no object has none. */
export function changedFields(
  before: Json | undefined,
  after: Json | undefined,
): readonly string[] {
  const [was, is] = [fieldsOf(before), fieldsOf(after)];
  const names = new Set([...Object.keys(was), ...Object.keys(is)]);
  return [...names].filter((name) => !sameStored(fieldOf(was, name), fieldOf(is, name)));
}

const noFields: JsonObject = {};

function fieldsOf(value: Json | undefined): JsonObject {
  return isObject(value) ? value : noFields;
}

/** A member of an object, and nothing that it inherits. */
export function fieldOf(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}
