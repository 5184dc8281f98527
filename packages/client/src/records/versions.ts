import { isObject, type RecordDef, type RecordValue, type Request } from '@holdfast/protocol';
import { decodeStored, encodeStored, sameValue } from '@holdfast/protocol/record';
import { isSameMajor, migrate } from '@holdfast/engine/record';
import type { CacheTerms } from '../cache/port.ts';

type Versions = { readonly [record: string]: unknown };
type Op = Extract<Request, { readonly op: 'transact' }>['ops'][number];

/**
 * Has the requests of an outbox carry the versions of their records, and those of an older major migrated before they are sent
 * (records.md §11.5); what cannot be migrated becomes a dead letter, `schema_skew`.
 */
export function versionedTerms(definitions: readonly RecordDef[], terms: CacheTerms): CacheTerms {
  if (definitions.length === 0) return terms;
  const sorted = definitions.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const versions = Object.fromEntries(sorted.map(({ name, version }) => [name, version]));
  const { schemaVersion: app, migrate: migrateApp } = terms;
  return {
    ...terms,
    schemaVersion: JSON.stringify([app, versions]),
    migrate: (request, from) => {
      const was = readVersions(from);
      const isOtherApp = was.app !== app && migrateApp !== null;
      const own = isOtherApp ? migrateApp(request, was.app) : request;
      return own && migratedRequest(definitions, own, was.records);
    },
  };
}

/** What a request was stored under: by a client without records, by the version of its application alone. */
function readVersions(from: string | number | null): {
  readonly app: string | number | null;
  readonly records: Versions;
} {
  try {
    const [app, records]: readonly unknown[] = JSON.parse(String(from));
    const isApp = app === null || typeof app === 'string' || typeof app === 'number';
    if (isApp && isObject(records)) return { app, records };
  } catch {
    // It is no list of ours.
  }
  return { app: from, records: {} };
}

function migratedRequest(
  definitions: readonly RecordDef[],
  request: Request,
  was: Versions,
): Request | null {
  if (request.op !== 'transact') return migratedOp(definitions, request, was);
  const ops = request.ops.flatMap((op) => migratedOp(definitions, op, was) ?? []);
  return ops.length < request.ops.length ? null : { ...request, ops };
}

/** Nothing where it cannot be migrated. */
function migratedOp<O extends Op>(
  definitions: readonly RecordDef[],
  op: O,
  was: Versions,
): O | null {
  for (let at: string = op.path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
    const def = definitions.find((each) => each.match(at) !== null);
    const version = def && was[def.name];
    if (def === undefined || typeof version !== 'string' || isSameMajor(def, version)) continue;
    // Of a part of an object nobody knows what it is in another major.
    return at === op.path ? migratedWhole(def, op, version) : null;
  }
  return op;
}

/** Of the input of a mutation nobody knows it either. */
function migratedWhole<O extends Op>(def: RecordDef, op: O, version: string): O | null {
  if (op.op === 'delete') return op;
  if (op.op !== 'set' && op.op !== 'merge') return null;
  const value = decodeStored(op.value);
  const anew = (old: unknown): unknown => {
    const migrated = migrate(def, old, version);
    return migrated === 'skew' ? undefined : migrated.value;
  };
  const made = op.op === 'merge' && isObject(value) ? patchOf(value, anew) : anew(value);
  return made === undefined ? null : { ...op, value: encodeStored(made) };
}

/**
 * What a patch changes in the form of now. A migration gives whole objects: what it fills in where it finds nothing is nobody's
 * change, and would be written over what is there. What depends on the patch is found out by other patches; nothing where
 * one of its fields may have become what looks filled in.
 */
function patchOf(patch: RecordValue, anew: (old: RecordValue) => unknown): unknown {
  const [made, bare] = [anew(patch), anew({})];
  if (!isObject(made) || !isObject(bare)) return undefined;
  const fields = Object.keys(made);
  const unlike = (other: unknown): readonly string[] =>
    fields.filter((field) => isObject(other) && !sameValue(other[field], made[field]));
  const known = new Set(unlike(bare));
  let isLost = false;
  for (const [field, value] of Object.entries(patch)) {
    const others = [undefined, otherThan(value)];
    const traces = others.flatMap((other) => unlike(anew({ ...patch, [field]: other })));
    if (Object.hasOwn(made, field)) traces.push(field);
    for (const trace of traces) known.add(trace);
    isLost ||= traces.length === 0;
  }
  if (isLost && known.size < fields.length) return undefined;
  return Object.fromEntries([...known].map((field) => [field, made[field]]));
}

/** Another value of the same kind, which a migration can work with. */
function otherThan(value: unknown): unknown {
  if (typeof value === 'boolean') return !value;
  return typeof value === 'number' ? value + 1 : `${String(value)}.`;
}
