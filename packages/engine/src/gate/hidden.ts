import {
  isAncestor,
  isObject,
  type Json,
  type Mutate,
  type Path,
  type RecordDef,
  type Refusal,
  refuse,
  unescapeSegment,
} from '@holdfast/protocol';
import type { Caller, Proposal, Tree } from '../data/index.ts';
import { fieldsMerged, mergeMutation } from '../record/index.ts';
import { changedFields } from './fields.ts';
import type { Places } from './places.ts';

type Request = Proposal['request'];

/** A request that is no transaction and no import, or a part of one. */
type Single =
  | Exclude<Request, { readonly op: 'transact' | 'import' }>
  | Extract<Request, { readonly op: 'transact' }>['ops'][number]
  | { readonly op: 'import'; readonly path: Path; readonly value: Json };

/** The single writes that a request asks for. */
export function writesOf(request: Request): readonly Single[] {
  if (request.op === 'transact') return request.ops;
  if (request.op !== 'import') return [request];
  return request.leaves.map(({ path, value }) => ({ op: 'import', path, value }));
}

/** Whether a write is a mutation of a record. */
export function isMutationOf(write: Single, { name }: Pick<RecordDef, 'name'>): write is Mutate {
  return write.op === 'mutate' && write.record === name;
}

/** A mutation that the definition declares: what it changes is its own to say. */
function isDeclared(
  write: Single,
  { def, path }: { def: Pick<RecordDef, 'name'>; path: Path },
): boolean {
  return isMutationOf(write, def) && write.path === path && write.name !== mergeMutation;
}

/** The top-level members of an object that a write names, or removes by leaving them out; `*`: any. */
export function fieldsNamed(
  write: Single,
  object: Path,
  before: Json | undefined,
): readonly string[] {
  if (write.path === null) return ['*'];
  const { op, path } = write;
  if (isAncestor(object, path)) {
    return path
      .slice(object.length + 1)
      .split('/', 1)
      .map(unescapeSegment);
  }
  if (path !== object) return isAncestor(path, object) ? ['*'] : [];
  const value = 'value' in write ? write.value : null;
  if (op === 'mutate') return write.name === mergeMutation ? fieldsMerged(value) : ['*'];
  if (!isObject(value)) return ['*'];
  // What a set leaves out, it removes.
  const left = op === 'set' && isObject(before) ? Object.keys(before) : [];
  return [...left, ...Object.keys(value)];
}

/** What a request is screened by. */
export type Screening = {
  readonly tree: Tree;
  readonly request: Request;
  readonly caller: Caller | null;
};

/**
 * Why a client may not ask for this: it names what is hidden from it of an object (records.md §17). It is asked before
 * anything is decided, so that no answer depends on what is hidden.
 */
export function screen(
  places: Places<{ readonly def: RecordDef }>,
  { tree, request, caller }: Screening,
): Refusal | null {
  if (!caller?.veil) return null;
  const isIndexed = request.op === 'transact' || request.op === 'import';
  const objects = new Map<Path, Screened>();
  for (const [index, write] of writesOf(request).entries()) {
    const around = write.path === null ? [] : places.around(write.path);
    for (const { item, path } of around) {
      const object = objects.get(path) ?? screened(path, tree, caller.veil);
      objects.set(path, object);
      const refusal = screenWrite(write, { def: item.def, path }, object);
      if (refusal !== null) return isIndexed ? refusal.with({ op_index: index }) : refusal;
    }
  }
  return null;
}

/** An object as it is before a request, looked at once for all its writes: those of one may be a thousand. */
type Screened = {
  readonly before: Json | undefined;
  /** Whether something of it is hidden. */
  readonly hasHidden: boolean;
  /** Whether a member is, or would be. */
  readonly hides: (field: string) => boolean;
};

function screened(path: Path, tree: Tree, veil: NonNullable<Caller['veil']>): Screened {
  const before = tree.read(path)?.value;
  const hides = veil.hides(path, before);
  const hasHidden = isObject(before) && Object.keys(before).some(hides);
  return { before, hasHidden, hides };
}

function screenWrite(
  write: Single,
  of: { readonly def: RecordDef; readonly path: Path },
  { before, hasHidden, hides }: Screened,
): Refusal | null {
  if (before === undefined || isDeclared(write, of)) return null;
  const named = fieldsNamed(write, of.path, undefined);
  const fields = [...new Set(named)].filter((field) => field !== '*' && hides(field));
  // What a set leaves out, it removes.
  const isOfAll = named.includes('*') || (write.op === 'set' && write.path === of.path);
  const isNamed = fields.length > 0 || (isOfAll && hasHidden);
  return isNamed ? refuse('forbidden_field', { fields }) : null;
}

/** An object that a proposal changes. */
type Touched = {
  readonly def: RecordDef;
  readonly path: Path;
  readonly before: Json | undefined;
  readonly after: Json | undefined;
};

/**
 * Why what a proposal comes to may not be: what is hidden from a client stays as it is, unless a declared mutation of the
 * object changes it (records.md §17); beside one, ops are judged by what they name.
 */
export function checkHidden(of: Touched, { request, caller }: Proposal): Refusal | null {
  const { def, path, before, after } = of;
  // What is not there yet would be hidden as well.
  const fresh = isObject(after) ? Object.keys(after) : [];
  const hidden = caller?.veil?.hiddenOf(path, before, fresh) ?? [];
  if (hidden.length === 0) return null;
  const writes = writesOf(request);
  const others = writes.filter((write) => !isDeclared(write, { def, path }));
  const named = new Set(others.flatMap((write) => fieldsNamed(write, path, before)));
  const changed = new Set(others.length < writes.length ? [] : changedFields(before, after));
  const touched = hidden.filter(
    (field) => named.has(field) || named.has('*') || changed.has(field),
  );
  if (touched.length === 0) return null;
  // It names no field that the request does not.
  const said = new Set(others.flatMap((write) => fieldsNamed(write, path, undefined)));
  return refuse('forbidden_field', { fields: touched.filter((field) => said.has(field)) });
}
