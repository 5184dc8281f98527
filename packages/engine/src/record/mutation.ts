import {
  childPath,
  isObject,
  isPlainObject,
  type Json,
  jsonEquals,
  type JsonObject,
  type Mutate,
  type MutationEnv,
  passSchema,
  type Path,
  type RecordDef,
  RejectedError,
  setOwn,
  type Write,
} from '@holdfast/protocol';
import { decodeStored, encodeStored, sameValue, storedForm } from '@holdfast/protocol/record';

/** The mutation behind a `set` or `patch` of fields that have a merge (records.md §11.2): input `{set, unset, base}`. */
export const mergeMutation = 'holdfast:merge';

/** What of a definition a mutation needs; a server may put others in the place of its mutations. */
export type Mutable = Pick<RecordDef, 'name' | 'schema' | 'stored' | 'authority' | 'mutations'>;

/**
 * What an object becomes by a mutation, as it is stored; undefined: nothing (records.md §11.2). Throws a `RejectedError` for
 * what is unknown or does not pass, and whatever the mutation throws.
 */
export function mutated(
  def: Mutable,
  current: Json | undefined,
  { name, value, opId, now }: Pick<Mutate, 'name' | 'value'> & MutationEnv,
): JsonObject | undefined {
  if (name === mergeMutation) return mergeFields(def, current, value);
  const mutation = Object.hasOwn(def.mutations, name) ? def.mutations[name] : undefined;
  if (mutation === undefined) {
    throw new RejectedError('unknown_mutation', { record: def.name, mutation: name });
  }
  const before = current === undefined ? undefined : decodeStored(current);
  const input = inputOf(mutation.input, decodeStored(value));
  const result = mutation.apply(isObject(before) ? before : undefined, input, { opId, now });
  if (result === undefined || result === null) return undefined;
  return storedForm(def, putBack(def, before, result)).stored;
}

/** The input of a mutation, as its schema lets it through. */
export function inputOf(
  schema: Parameters<typeof passSchema>[0] | undefined,
  value: unknown,
): unknown {
  if (schema === undefined) return value;
  const passed = passSchema(schema, value);
  if ('value' in passed) return passed.value;
  throw new RejectedError('invalid_params', { issues: passed.issues }, `input: ${passed.issue}`);
}

/** Whether clients may write a field (records.md §12). */
export function isWritable({ authority }: Pick<RecordDef, 'authority'>, field: string): boolean {
  if (authority === null) return true;
  const rule = Object.hasOwn(authority, field) ? authority[field] : undefined;
  return rule !== undefined && rule !== 'server';
}

/** The fields that the input of a merge sets and takes out. */
export function fieldsMerged(input: unknown): readonly string[] {
  const { set, unset } = isObject(input) ? input : {};
  const removed: readonly unknown[] = Array.isArray(unset) ? unset : [];
  return [...Object.keys(isObject(set) ? set : {}), ...removed.map(String)];
}

/** The result with fields that no client may write as they were before; the same object where there is none. */
export function putBack(
  def: Pick<RecordDef, 'authority'>,
  before: unknown,
  result: unknown,
): unknown {
  if (def.authority === null || !isObject(result)) return result;
  const base = isObject(before) ? before : {};
  const fields = new Set([...Object.keys(base), ...Object.keys(result)]);
  const changed = [...fields].filter(
    (field) => !isWritable(def, field) && !sameField(base[field], result[field]),
  );
  if (changed.length === 0) return result;
  const copy: { [field: string]: unknown } = { ...result };
  for (const field of changed) {
    if (base[field] === undefined) delete copy[field];
    else setOwn(copy, field, base[field]);
  }
  return copy;
}

function sameField(a: unknown, b: unknown): boolean {
  return a === undefined || b === undefined ? a === b : sameValue(a, b);
}

/** Sets and removes fields; those with a merge are merged where somebody else has changed them since (records.md §12). */
function mergeFields(def: Mutable, current: Json | undefined, value: Json): JsonObject | undefined {
  const { set, unset, base } = isObject(value) ? value : {};
  const result: { [field: string]: Json } = {};
  for (const [key, member] of Object.entries(isObject(current) ? current : {})) {
    setOwn(result, key, member);
  }
  for (const field of Array.isArray(unset) ? unset : []) delete result[String(field)];
  const known = isObject(base) ? base : {};
  for (const [field, mine] of Object.entries(isObject(set) ? set : {})) {
    setOwn(
      result,
      field,
      mergeField(def, { field, mine, theirs: result[field], base: known[field] }),
    );
  }
  return storedForm(def, decodeStored(result)).stored;
}

/** One field that two may have written. */
type Field = {
  readonly field: string;
  readonly mine: Json;
  readonly theirs: Json | undefined;
  readonly base: Json | undefined;
};

/** The value of a field: what merges it decides where theirs is another than it was for me (records.md §12). */
export function mergeField({ authority }: Pick<RecordDef, 'authority'>, of: Field): Json {
  const { field, mine, theirs, base } = of;
  const merge =
    authority !== null && Object.hasOwn(authority, field) ? authority[field] : undefined;
  if (typeof merge !== 'function' || theirs === undefined || theirs === null) return mine;
  if (base !== undefined && jsonEquals(theirs, base)) return mine;
  const was = base === undefined ? undefined : decodeStored(base);
  return encodeStored(merge(decodeStored(mine), decodeStored(theirs), was));
}

/** The writes from what is at a path to a result (records.md §11.2): one `set` of what was absent, else those of the fields. */
export function writesTo(
  path: Path,
  before: Json | undefined,
  after: JsonObject | undefined,
): readonly Write[] {
  if (after === undefined) return before === undefined ? [] : [{ op: 'delete', path }];
  if (before === undefined || !isPlainObject(before)) return [{ op: 'set', path, value: after }];
  const gone = Object.keys(before).filter((field) => !Object.hasOwn(after, field));
  // An object without members is a leaf of its own.
  const isEmptied = gone.length > 0 && Object.keys(after).length === 0;
  if (isEmptied) return [{ op: 'set', path, value: after }];
  const writes: Write[] = gone.map((field) => ({ op: 'delete', path: childPath(path, field) }));
  for (const [field, value] of Object.entries(after)) {
    const was = Object.hasOwn(before, field) ? before[field] : undefined;
    if (was !== undefined && jsonEquals(was, value)) continue;
    writes.push({ op: 'set', path: childPath(path, field), value });
  }
  return writes;
}
