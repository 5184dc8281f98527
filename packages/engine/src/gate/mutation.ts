import {
  isObject,
  type Json,
  type JsonObject,
  type Mutate,
  type Mutation,
  type MutationEnv,
  passSchema,
  type RecordDef,
  type Refusal,
  refuse,
  type Write,
} from '@holdfast/protocol';
import { decodeStored, encodeStored } from '@holdfast/protocol/record';
import { isWritable, mergeInto, putBack, readMergeInput, writesTo } from './fields.ts';

/** The name under which writes of fields with a merge of their own travel (records.md §11.2). */
export const mergeMutation = 'holdfast:merge';

/** What a mutation is run with. */
export type MutationRun = {
  readonly def: RecordDef;
  readonly request: Mutate;
  /** What stands at the path. */
  readonly current: Json | undefined;
  readonly env: MutationEnv;
  /** Whether fields that are no client's stay as they are: not for code of the server. */
  readonly isBound: boolean;
  /** The server's own mutations, which win, and may change any field (records.md §12). */
  readonly overrides?: { readonly [name: string]: Mutation };
};

/** The writes that a mutation comes to; none where it changes nothing. Client and authority run the same (records.md §11.2). */
export function runMutation(run: MutationRun): readonly Write[] | Refusal {
  const { request, current } = run;
  const object = isObject(current) ? current : undefined;
  const next = request.name === mergeMutation ? merged(run, object) : applied(run, object);
  if (isRefused(next)) return next.refusal;
  if (current === undefined && next.value === undefined) return refuse('not_found');
  return writesTo(request.path, current, next.value);
}

type Next = { readonly value: JsonObject | undefined } | { readonly refusal: Refusal };

function isRefused(next: Next): next is { readonly refusal: Refusal } {
  return 'refusal' in next;
}

function merged({ def, request, isBound }: MutationRun, current: JsonObject | undefined): Next {
  const input = readMergeInput(request.value);
  if (input === null) return { refusal: refuse('invalid_params', { record: def.name }) };
  const touched = [...Object.keys(input.set), ...input.unset];
  const fields = isBound ? touched.filter((field) => !isWritable(def, field)) : [];
  if (fields.length > 0) return { refusal: refuse('forbidden_field', { fields }) };
  return { value: mergeInto(def, current, input) };
}

function applied(run: MutationRun, current: JsonObject | undefined): Next {
  const { def, request, env, isBound } = run;
  const own = ownOf(run.overrides, request.name);
  const mutation = own ?? ownOf(def.mutations, request.name);
  if (mutation === undefined) {
    return { refusal: refuse('unknown_mutation', { record: def.name, mutation: request.name }) };
  }
  const given = decodeStored(request.value);
  const input = mutation.input ? passSchema(mutation.input, given) : { value: given };
  if ('issue' in input) {
    return { refusal: refuse('invalid_params', { record: def.name, issues: input.issues }) };
  }
  const was = current && decodeStored(current);
  const result = mutation.apply(isObject(was) ? was : undefined, input.value, env) ?? undefined;
  const next = result === undefined ? undefined : objectOf(result, request.name);
  const isFree = !isBound || own !== undefined || next === undefined;
  return { value: isFree ? next : putBack(def, current, next) };
}

function objectOf(result: unknown, name: string): JsonObject {
  const object = encodeStored(result);
  if (!isObject(object)) throw new TypeError(`The mutation "${name}" gave no object.`);
  return object;
}

function ownOf<T>(map: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, name) ? map[name] : undefined;
}
