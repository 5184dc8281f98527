import {
  getOwn,
  isCode,
  isObject,
  type Json,
  type Mutate,
  type Mutation,
  type MutationEnv,
  type RecordDef,
  type Refusal,
  refuse,
  refuseAs,
  RejectedError,
  type Write,
} from '@holdfast/protocol';
import { passRecord } from '@holdfast/protocol/record';
import {
  fieldsMerged,
  isWritable,
  mergeMutation,
  type Mutable,
  mutated,
  writesTo,
} from '../record/index.ts';
import { schemaRefusal } from './schemas.ts';

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
  readonly overrides: { readonly [name: string]: Mutation };
};

/** The writes that a mutation comes to on the authority; none where it changes nothing (records.md §11.2). */
export function runMutation(run: MutationRun): readonly Write[] | Refusal {
  const { request, current, env } = run;
  const strays = straysOf(run);
  if (strays.length > 0) return refuse('forbidden_field', { fields: strays });
  try {
    const after = mutated(mutableOf(run), current, { ...request, ...env });
    if (current === undefined && after === undefined) {
      return refuse('not_found', { path: request.path });
    }
    return writesTo(request.path, current, after);
  } catch (error) {
    if (error instanceof RejectedError && isCode(error.code)) {
      return refuseAs(error.code, { record: run.def.name, path: request.path, ...error.details });
    }
    const field = strangeField(run);
    // What else it throws is a failure of its own.
    if (field === null) throw error;
    return schemaRefusal(run.def, request.path, [
      { message: 'It cannot be merged.', path: [field] },
    ]);
  }
}

/**
 * The merged field for which something was sent that the object cannot hold: what merges it knows no such values. Others are
 * not looked at, for each look goes through the whole object, and a base may name thousands.
 */
function strangeField({ def, request, current }: MutationRun): string | null {
  if (request.name !== mergeMutation || !isObject(request.value)) return null;
  const { set, base } = request.value;
  const known = isObject(current) ? current : {};
  const isStrange = (field: string, sent: Json | undefined): boolean => {
    const value = isObject(sent) ? getOwn<Json>(sent, field) : undefined;
    return value !== undefined && 'issue' in passRecord(def, { ...known, [field]: value });
  };
  const merged = Object.keys(isObject(set) ? set : {}).filter(
    (field) => typeof getOwn(def.authority ?? {}, field) === 'function',
  );
  return merged.find((field) => isStrange(field, set) || isStrange(field, base)) ?? null;
}

/** The fields of a merge that are no client's. */
function straysOf({ def, request, isBound }: MutationRun): readonly string[] {
  if (!isBound || request.name !== mergeMutation) return [];
  return fieldsMerged(request.value).filter((field) => !isWritable(def, field));
}

function mutableOf({ def, request, isBound, overrides }: MutationRun): Mutable {
  const { name, schema, stored, authority, mutations } = def;
  const isOwn = Object.hasOwn(overrides, request.name);
  const isFree = request.name !== mergeMutation && (isOwn || !isBound);
  return {
    name,
    schema,
    stored,
    authority: isFree ? null : authority,
    mutations: { ...mutations, ...overrides },
  };
}
