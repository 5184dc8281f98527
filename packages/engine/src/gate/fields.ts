import {
  childPath,
  isObject,
  type Json,
  type JsonObject,
  type Path,
  type RecordDef,
  type Write,
} from '@holdfast/protocol';
import { canonicalJson, decodeStored, encodeStored } from '@holdfast/protocol/record';

type Ruled = Pick<RecordDef, 'authority'>;

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

/** Whether clients may write a field (records.md §12): without a map all, with one those it lists and does not keep. */
export function isWritable({ authority }: Ruled, field: string): boolean {
  if (authority === null) return true;
  return Object.hasOwn(authority, field) && authority[field] !== 'server';
}

/** A result in which what is no client's to write is as it was; the same object where there is nothing to put back. */
export function putBack(def: Ruled, before: JsonObject | undefined, after: JsonObject): JsonObject {
  const strays = changedFields(before, after).filter((field) => !isWritable(def, field));
  if (strays.length === 0) return after;
  const kept = Object.entries(after).filter(([name]) => !strays.includes(name));
  const old = strays.flatMap((name) => {
    const value = before && fieldOf(before, name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries([...kept, ...old]);
}

/** The writes that lead from what is at a path to something else: a field each, or all at once where nothing is there. */
export function writesTo(
  path: Path,
  before: Json | undefined,
  after: JsonObject | undefined,
): readonly Write[] {
  if (after === undefined) return before === undefined ? [] : [{ op: 'delete', path }];
  if (sameStored(before, after)) return [];
  const isFresh = !isObject(before) || Object.keys(before).length === 0;
  if (isFresh || Object.keys(after).length === 0) return [{ op: 'set', path, value: after }];
  return changedFields(before, after).map((name): Write => {
    const value = fieldOf(after, name);
    const at = childPath(path, name);
    return value === undefined ? { op: 'delete', path: at } : { op: 'set', path: at, value };
  });
}

function native(json: Json | undefined): unknown {
  return json === undefined ? undefined : decodeStored(json);
}

/** The input of `holdfast:merge`: what is set and unset of an object, and what stood there when it was written. */
export type MergeInput = {
  readonly set: JsonObject;
  readonly unset: readonly string[];
  readonly base: JsonObject;
};

/** Reads the input of `holdfast:merge`; null: it is none. */
export function readMergeInput(value: Json): MergeInput | null {
  if (!isObject(value)) return null;
  const { set = {}, unset = [], base = {} } = value;
  if (!isObject(set) || !isObject(base) || !Array.isArray(unset)) return null;
  const names = unset.filter((name) => typeof name === 'string');
  return names.length === unset.length ? { set, unset: names, base } : null;
}

/**
 * The object after what somebody wrote met what others wrote meanwhile (records.md §12): a field with a merge of its own is
 * merged where the other value is not the one the writer knew; any other is the writer's.
 */
export function mergeInto(
  { authority }: Ruled,
  current: JsonObject | undefined,
  { set, unset, base }: MergeInput,
): JsonObject {
  const merged = Object.entries(set).map(([name, mine]) => {
    const rule = authority === null || !Object.hasOwn(authority, name) ? 'lww' : authority[name];
    const theirs = current && fieldOf(current, name);
    const known = fieldOf(base, name);
    const isMine = typeof rule !== 'function' || theirs === undefined || theirs === null;
    if (isMine || sameStored(theirs, known)) return [name, mine] as const;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the values of this field, which its merge is for
    const merge = rule as unknown as (mine: unknown, theirs: unknown, base: unknown) => unknown;
    return [name, encodeStored(merge(native(mine), native(theirs), native(known)))] as const;
  });
  const rest = Object.entries(current ?? noFields).filter(
    ([name]) => !unset.includes(name) && !Object.hasOwn(set, name),
  );
  return Object.fromEntries([...rest, ...merged]);
}
