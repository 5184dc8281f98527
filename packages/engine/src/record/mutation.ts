import {
  childPath,
  getOwn,
  isObject,
  isPlainObject,
  isPromised,
  type Json,
  jsonEquals,
  type JsonObject,
  type Mutate,
  type Mutation,
  type MutationEnv,
  passSchema,
  type Path,
  pick,
  type RecordDef,
  RejectedError,
  setOwn,
  type Write,
} from '@holdfast/protocol';
import { decodeStored, encodeStored, storedForm } from '@holdfast/protocol/record';

/** The mutation behind a `set` or `patch` of fields that have a merge (records.md §11.2): input `{set, unset, base}`. */
export const mergeMutation = 'holdfast:merge';

/** Whose write it is and when, and who hears of fields that it would change and may not (records.md §12). */
export type ComposeEnv = MutationEnv & {
  readonly onPutBack?: ((fields: readonly string[]) => void) | undefined;
};

/** What of a definition a mutation needs; a server may put others in the place of its mutations. */
export type Mutable = Pick<RecordDef, 'name' | 'schema' | 'stored' | 'authority' | 'mutations'>;

/**
 * What an object becomes by a mutation, as it is stored; undefined: nothing (records.md §11.2). Throws a `RejectedError` for
 * what is unknown or does not pass, and whatever the mutation throws.
 */
export function mutated(
  def: Mutable,
  current: Json | undefined,
  { name, value, opId, now, onPutBack }: Pick<Mutate, 'name' | 'value'> & ComposeEnv,
): JsonObject | undefined {
  if (name === mergeMutation) return mergeFields(def, current, value);
  const mutation = mutationOf(def, name);
  const before = current === undefined ? undefined : decodeStored(current);
  const input = inputOf(mutation.input, decodeStored(value));
  const result = mutation.apply(isObject(before) ? before : undefined, input, { opId, now });
  if (isPromised(result)) throw new TypeError(`The mutation "${name}" cannot be async.`);
  if (result === undefined || result === null) return undefined;
  return storedForm(def, putBack(def, before, { result, onPutBack })).stored;
}

/** What a client can tell of a mutation. */
export type Guess = {
  readonly after: JsonObject | undefined;
  /** It would change fields of the server, which the server's own mutation of that name may: only that knows what comes of it. */
  readonly isPart: boolean;
};

/**
 * What a client shows of a mutation until the server has decided it: without the fields that are the server's, and nothing
 * where the object does not pass without them. Throws as {@link mutated} does, but for `run.isPart`: what it runs on is only a
 * part of what the server will run it on.
 */
export function guessed(
  def: Mutable,
  current: Json | undefined,
  run: Parameters<typeof mutated>[2] & { readonly isPart?: boolean | undefined },
): Guess {
  let { isPart = false } = run;
  const onPutBack = (fields: readonly string[]): void => {
    isPart = true;
    run.onPutBack?.(fields);
  };
  try {
    return { after: mutated(def, current, { ...run, onPutBack }), isPart };
  } catch (error) {
    if (!isPart) throw error;
    return { after: isObject(current) ? current : undefined, isPart };
  }
}

/** A mutation by its name; throws where there is none. */
export function mutationOf({ name: record, mutations }: Mutable, name: string): Mutation {
  const mutation = getOwn(mutations, name);
  if (mutation !== undefined) return mutation;
  throw new RejectedError('unknown_mutation', { record, mutation: name });
}

/** The input of a mutation, as its schema lets it through; null travels for nothing, so a schema that takes nothing but no null has that. */
export function inputOf(
  schema: Parameters<typeof passSchema>[0] | undefined,
  value: unknown,
): unknown {
  if (schema === undefined) return value;
  const passed = passSchema(schema, value);
  if ('value' in passed) return passed.value;
  if (value === null) return inputOf(schema, undefined);
  throw new RejectedError('invalid_params', { issues: passed.issues }, `input: ${passed.issue}`);
}

/** Whether clients may write a field (records.md §12). */
export function isWritable({ authority }: Pick<RecordDef, 'authority'>, field: string): boolean {
  if (authority === null) return true;
  const rule = getOwn(authority, field);
  return rule !== undefined && rule !== 'server';
}

/** The fields that the input of a merge sets and takes out. */
export function fieldsMerged(input: unknown): readonly string[] {
  const { set, unset } = isObject(input) ? input : {};
  const removed: readonly unknown[] = Array.isArray(unset) ? unset : [];
  return [...Object.keys(isObject(set) ? set : {}), ...removed.map(String)];
}

/** The result, with the fields that no client may write as they were before. */
export function putBack(
  def: Pick<RecordDef, 'authority'>,
  before: unknown,
  { result, onPutBack }: { readonly result: unknown } & Pick<ComposeEnv, 'onPutBack'>,
): unknown {
  if (def.authority === null || !isObject(result)) return result;
  const known = isObject(before) ? before : {};
  if (onPutBack !== undefined) {
    const strays = Object.keys(result).filter(
      (field) => !isWritable(def, field) && !isAlike(getOwn(known, field), result[field]),
    );
    if (strays.length > 0) onPutBack(strays);
  }
  return {
    ...pick(result, (field) => isWritable(def, field)),
    ...pick(known, (field) => !isWritable(def, field)),
  };
}

/** Whether two values would be stored alike; what cannot be stored is like nothing. */
function isAlike(a: unknown, b: unknown): boolean {
  try {
    return Object.is(a, b) || jsonEquals(encodeStored(a), encodeStored(b));
  } catch {
    return false;
  }
}

/** Sets and removes fields; those with a merge are merged where somebody else has changed them since (records.md §12). */
function mergeFields(def: Mutable, current: Json | undefined, value: Json): JsonObject | undefined {
  const { set, unset, base } = isObject(value) ? value : {};
  const removed = new Set(Array.isArray(unset) ? unset.map(String) : []);
  const known = isObject(base) ? base : {};
  const result = pick(isObject(current) ? current : {}, (field) => !removed.has(field));
  for (const [field, mine] of Object.entries(isObject(set) ? set : {})) {
    const of = { field, mine, theirs: getOwn(result, field), base: getOwn(known, field) };
    setOwn(result, field, mergeField(def, of));
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
  const merge = authority === null ? undefined : getOwn(authority, field);
  if (typeof merge !== 'function' || theirs === undefined || theirs === null) return mine;
  if (base !== undefined && jsonEquals(theirs, base)) return mine;
  const was = base === undefined ? undefined : decodeStored(base);
  const merged: unknown = merge(decodeStored(mine), decodeStored(theirs), was);
  if (isPromised(merged)) throw new TypeError(`The merge of "${field}" cannot be async.`);
  return encodeStored(merged);
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
    const was = getOwn(before, field);
    if (was !== undefined && jsonEquals(was, value)) continue;
    writes.push({ op: 'set', path: childPath(path, field), value });
  }
  return writes;
}
