import {
  asPath,
  childPath,
  escapeSegment,
  getOwn,
  isObject,
  type Json,
  jsonEquals,
  type JsonObject,
  type Mutate,
  type Path,
  pick,
  type RecordValue,
  RejectedError,
  type Write,
} from '@holdfast/protocol';
import { decodeStored, encodeStored, storedForm } from '@holdfast/protocol/record';
import {
  type ComposeEnv,
  type Guess,
  guessed,
  inputOf,
  isWritable,
  mergeMutation,
  type Mutable,
  mutationOf,
  putBack,
} from './mutation.ts';

/** A write of a record, as a caller asks for it (records.md §2). */
export type RecordWrite =
  | { readonly set: RecordValue }
  | { readonly patch: RecordValue }
  | { readonly increment: readonly string[]; readonly by: number }
  | { readonly remove: true }
  | { readonly mutate: string; readonly input: unknown };

/** The object that a write is of. */
export type Target = {
  readonly def: Mutable & { readonly visibility: object | null };
  readonly path: Path;
  /** What is shown of it, as it is stored; undefined: nothing. */
  readonly current: Json | undefined;
  /** Nothing is known of it yet, so that what needs it waits for the authority. */
  readonly isUnknown?: boolean;
  /** What own mutations that wait make of the authority's fields is not in it. */
  readonly isPart?: boolean;
};

/** What a write comes to (records.md §11.2): the ops of its request, and the object after them. No ops: nothing changes. */
export type Composed = {
  readonly ops: readonly (Write | Mutate)[];
  readonly after: JsonObject | undefined;
  /** The fields that it is about; null: all of them. */
  readonly fields: readonly string[] | null;
};

/** Composes the request of a write. Throws a `RejectedError` for what does not pass; a mutation may throw what it likes. */
export function compose(target: Target, write: RecordWrite, env: ComposeEnv): Composed {
  if ('set' in write) return composeSet(target, write.set, env);
  if ('remove' in write) return composeRemove(target);
  if (target.current === undefined && target.isUnknown !== true && !('mutate' in write)) {
    throw new RejectedError('not_found', { path: target.path });
  }
  if ('patch' in write) return composePatch(target, write.patch, env);
  if ('increment' in write) return composeIncrement(target, write);
  return composeMutate(target, write, env);
}

function composeSet(target: Target, result: RecordValue, { onPutBack }: ComposeEnv): Composed {
  const { def, path, current } = target;
  const before = isObject(current) ? current : undefined;
  if (def.authority === null && def.visibility === null) {
    const { stored } = storedForm(def, result);
    const isNoChange = before !== undefined && jsonEquals(before, stored);
    return {
      ops: isNoChange ? [] : [{ op: 'set', path, value: stored }],
      after: stored,
      fields: null,
    };
  }
  const known = before && decodeStored(before);
  const stored = storedOf(def, known, { result, onPutBack });
  const set = pick(stored, (field) => isWritable(def, field));
  const unset = Object.keys(before ?? {}).filter(
    (field) => isWritable(def, field) && !Object.hasOwn(stored, field),
  );
  const composed = composeFields(target, { set, unset });
  // What is made rests on that there is nothing.
  return before ? composed : { ...composed, fields: null };
}

function composePatch(target: Target, patch: RecordValue, { onPutBack }: ComposeEnv): Composed {
  const { def, current } = target;
  if (!isObject(patch)) throw new TypeError('patch needs an object of fields.');
  const fields = Object.keys(patch).filter((field) => isWritable(def, field));
  const unset = fields.filter((field) => patch[field] === undefined);
  if (!isObject(current)) {
    const set = encodeStored(pick(patch, (field) => fields.includes(field)));
    return composeFields(target, { set: isObject(set) ? set : {}, unset });
  }
  const known = decodeStored(current);
  const result = { ...(isObject(known) ? known : {}), ...patch };
  const stored = storedOf(def, known, { result, onPutBack });
  return composeFields(target, { set: pick(stored, (at) => fields.includes(at)), unset });
}

/** The stored form of what was given, with the authority's fields as they are. */
function storedOf(
  def: Target['def'],
  known: unknown,
  given: Parameters<typeof putBack>[2],
): JsonObject {
  try {
    return storedForm(def, putBack(def, known, given)).stored;
  } catch (error) {
    // What is wrong with it as it was given is told first; else it is that those fields were not taken from it.
    const { stored } = storedForm(def, given.result);
    const fields = Object.keys(stored).filter((field) => !isWritable(def, field));
    throw fields.length === 0 ? error : new RejectedError('forbidden_field', { fields });
  }
}

type Fields = { readonly set: JsonObject; readonly unset: readonly string[] };

/** The request that sets some fields and removes others: a merge of the authority's where a field has one. */
function composeFields(target: Target, { set, unset }: Fields): Composed {
  const { def, path, current } = target;
  const before = isObject(current) ? current : {};
  const changed = pick(set, (field) => !isSame(before[field], set[field]));
  const gone = unset.filter((field) => Object.hasOwn(before, field) || target.isUnknown === true);
  const fields = [...Object.keys(changed), ...gone];
  const after = pick({ ...before, ...changed }, (field) => !gone.includes(field));
  if (fields.length === 0) return { ops: [], after, fields };
  if (fields.some((field) => hasMerge(def, field))) {
    const base = pick(before, (field) => fields.includes(field));
    const value = { set: changed, unset: gone, base };
    const merge: Mutate = { op: 'mutate', path, record: def.name, name: mergeMutation, value };
    return { ops: [merge], after, fields };
  }
  const deletes = gone.map((field): Write => ({ op: 'delete', path: childPath(path, field) }));
  const isMerging = Object.keys(changed).length > 0;
  const merge: readonly Write[] = isMerging ? [{ op: 'merge', path, value: changed }] : [];
  return { ops: [...merge, ...deletes], after, fields };
}

function composeRemove({ path, current, isUnknown }: Target): Composed {
  const isNothing = current === undefined && isUnknown !== true;
  return { ops: isNothing ? [] : [{ op: 'delete', path }], after: undefined, fields: null };
}

function composeIncrement(
  { def, path, current }: Target,
  { increment: way, by }: Extract<RecordWrite, { readonly increment: readonly string[] }>,
): Composed {
  const [field] = way;
  if (field === undefined) throw new TypeError('increment needs a field.');
  if (!isWritable(def, field)) throw new RejectedError('forbidden_field', { fields: [field] });
  if (!Number.isFinite(by)) throw new RejectedError('increment_requires_number_value', { path });
  const at = asPath([path, ...way.map(escapeSegment)].join('/'));
  const write: Write = { op: 'increment', path: at, value: by };
  const ops = by === 0 ? [] : [write];
  if (!isObject(current)) return { ops, after: undefined, fields: [field] };
  const after = incremented(current, way, by);
  storedForm(def, decodeStored(after));
  return { ops, after, fields: [field] };
}

function incremented(
  object: JsonObject,
  [key = '', ...rest]: readonly string[],
  by: number,
): JsonObject {
  const member = getOwn(object, key);
  const sum = (typeof member === 'number' ? member : 0) + by;
  const isDeep = rest.length > 0;
  return { ...object, [key]: isDeep ? incremented(isObject(member) ? member : {}, rest, by) : sum };
}

/** Of an object of which nothing is known, only the authority knows what it becomes. */
const unguessed: Guess = { after: undefined, isPart: true };

function composeMutate(
  { def, path, current, isUnknown, isPart: isOpen }: Target,
  { mutate: name, input }: Extract<RecordWrite, { readonly mutate: string }>,
  env: ComposeEnv,
): Composed {
  inputOf(mutationOf(def, name).input, input);
  const value = encodeStored(input ?? null);
  const request: Mutate = { op: 'mutate', path, record: def.name, name, value };
  const isWaiting = current === undefined && isUnknown === true;
  const run = { name, value, ...env, isPart: isOpen };
  const { after, isPart } = isWaiting ? unguessed : guessed(def, current, run);
  const isNothing = !isPart && isSame(current, after);
  if (isNothing && current === undefined) throw new RejectedError('not_found', { path });
  return { ops: isNothing ? [] : [request], after, fields: null };
}

function hasMerge({ authority }: Mutable, field: string): boolean {
  return authority !== null && typeof getOwn(authority, field) === 'function';
}

function isSame(a: Json | undefined, b: Json | undefined): boolean {
  return a === undefined || b === undefined ? a === b : jsonEquals(a, b);
}
