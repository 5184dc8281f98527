import { HoldfastError, RejectedError } from '../errors.ts';
import { isObject } from '../json.ts';
import { escapeSegment, toPath } from '../path.ts';
import { isRefusal } from '../refusals.ts';
import { checkMembers, nameRule, type Rule } from './members.ts';
import type { RecordDef, RecordSpec, TypesOfSpec } from './record-types.ts';
import { isAsyncSchema, isSchema, passSchema, type StandardSchema } from './schema.ts';
import {
  checkKey,
  checkParams,
  fillTemplate,
  isTemplate,
  matchTemplate,
  paramsOf,
  replaceParams,
  storeOf,
  type TemplateParams,
} from './template.ts';
import { majorOf, parseVersion } from './version.ts';

const passes: WeakSet<object> = /* @__PURE__ */ new WeakSet();

/** The schema of what needs none: everything passes. A record without it has another (records.md §2.2). */
export function passthrough<T>(): StandardSchema<T, T> {
  const schema: StandardSchema<T, T> = {
    '~standard': {
      version: 1,
      vendor: 'holdfast',
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- that nothing is checked is what it is for
      validate: (value) => ({ value: value as T }),
    },
  };
  passes.add(schema);
  return schema;
}

/** Declares a record: one object of a store behind a schema (records.md §2). Throws a `TypeError` for what cannot be one. */
export function record<
  const N extends string,
  const St extends string,
  const P extends string,
  S extends StandardSchema<unknown>,
  const F extends 'output' | 'input' = 'output',
  I extends object = object,
>(spec: RecordSpec<N, St, P, S, F, I>): RecordDef<TypesOfSpec<N, St | P, S, F, I>> {
  // What no type keeps out is looked at; the types of the spec stay with the definition.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a spec has the members of a definition
  const given = spec as unknown as Given;
  checkMembers('record', given, rules);
  for (const each of [given.schema, given.params]) {
    if (!each || !isAsyncSchema(each)) continue;
    throw new HoldfastError('async_schema', { record: given.name });
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the phantom types are those of the spec
  return defined(given) as unknown as RecordDef<TypesOfSpec<N, St | P, S, F, I>>;
}

/** A spec whose types are forgotten. */
type Given = Pick<RecordDef, 'name' | 'store' | 'path' | 'schema' | 'version'> &
  Partial<Omit<RecordDef, 'ref' | 'key' | 'match' | 'indexes'>> & {
    readonly indexes?: readonly (string | readonly string[])[];
  };

const stepsOf = 'functions by majors like "2"';

const rules: { readonly [member: string]: Rule } = {
  name: nameRule,
  store: [
    (store) => isTemplate(store) && storeOf(store, () => 'x') !== null,
    'a non-empty string like org/:name',
  ],
  path: [
    (path, { store }) => isTemplate(path) && isApart(path, String(store)),
    'a non-empty string like rooms/:id, with no parameter of "store"',
  ],
  schema: [isSchema, 'a Standard Schema, or passthrough()'],
  params: [(params) => params === undefined || isSchema(params), 'a Standard Schema'],
  version: [isVersion, 'like "3.1"; "*" goes with passthrough() only'],
  authority: [(map) => isMapOf(map, isAuthority), 'an object of "server", "lww" and functions'],
  visibility: [(map) => isMapOf(map, isFunction), 'an object of functions'],
  migrate: [(map) => isMapOf(map, isStep), stepsOf],
  migrateDown: [(map) => isMapOf(map, isStep), stepsOf],
  mutations: [(map) => isMapOf(map, isMutation), 'an object of { apply, input? }'],
  stored: [(stored = 'output') => stored === 'output' || stored === 'input', '"output" or "input"'],
  conflict: [
    (conflict = 'rebase') => conflict === 'rebase' || conflict === 'detect',
    '"rebase" or "detect"',
  ],
  indexes: [
    (indexes = []) => Array.isArray(indexes) && indexes.every(isIndex),
    'a list of fields and lists of fields',
  ],
};

function isApart(path: string, store: string): boolean {
  return !paramsOf(store).some((each) => paramsOf(path).includes(each));
}

function isVersion(version: unknown, { schema }: { readonly schema?: unknown }): boolean {
  return (
    parseVersion(version) !== null || (version === '*' && isObject(schema) && passes.has(schema))
  );
}

function isMapOf(map: unknown, isSound: (each: unknown, name: string) => boolean): boolean {
  if (map === undefined) return true;
  return isObject(map) && Object.entries(map).every(([name, each]) => isSound(each, name));
}

function isFunction(each: unknown): boolean {
  return typeof each === 'function';
}

function isAuthority(each: unknown): boolean {
  return each === 'server' || each === 'lww' || isFunction(each);
}

function isStep(step: unknown, major: string): boolean {
  return isFunction(step) && String(majorOf(major)) === major;
}

function isIndex(index: unknown): boolean {
  const fields: readonly unknown[] = [index].flat();
  // What begins with $ is no field to a query.
  return (
    fields.length > 0 && fields.every((each) => typeof each === 'string' && /^[^$]/.test(each))
  );
}

function isMutation(each: unknown): boolean {
  if (!isObject(each) || !isFunction(each['apply'])) return false;
  return each['input'] === undefined || isSchema(each['input']);
}

function defined(of: Given): RecordDef {
  const { name, store, path, schema, stored = 'output', params = null, conflict = 'rebase' } = of;
  const version = parseVersion(of.version);
  const what = `record "${name}"`;
  const gate = (given: TemplateParams): void => {
    checkParams(what, [...paramsOf(store), ...paramsOf(path)], given);
    const passed = params === null ? null : passSchema(params, given);
    if (passed === null || 'value' in passed) return;
    const { issue, issues } = passed;
    throw new RejectedError('invalid_params', { issues }, `${what}: ${issue}`);
  };
  const def: RecordDef = {
    kind: 'record',
    name,
    store,
    path,
    schema,
    stored,
    version: version === null ? of.version : `${version.major}.${version.minor}`,
    params,
    migrate: Object.freeze({ ...of.migrate }),
    migrateDown: Object.freeze({ ...of.migrateDown }),
    authority: of.authority ? Object.freeze({ ...of.authority }) : null,
    visibility: of.visibility ? Object.freeze({ ...of.visibility }) : null,
    mutations: Object.freeze({ ...of.mutations }),
    conflict,
    indexes: Object.freeze((of.indexes ?? []).map((each) => Object.freeze([each].flat()))),
    ref(given) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked at once
      const texts = given as TemplateParams;
      gate(texts);
      const at = storeOf(store, (each) => texts[each] ?? '');
      if (at === null) throw new RejectedError('invalid_params', { store });
      const own = fillTemplate(path, texts);
      return {
        record: this,
        params: given,
        store: at,
        path: own,
        key: checkKey(`rec/${at}/${own}`),
      };
    },
    key(given) {
      return this.ref(given).key;
    },
    match(text, storeName) {
      const own = matched(path, text);
      if (own === null || storeName === undefined) return own;
      const its = matched(store, storeName);
      return its && { ...its, ...own };
    },
  };
  return Object.freeze(def);
}

function matched(template: string, text: string): TemplateParams | null {
  const path = toPath(text);
  return isRefusal(path) ? null : matchTemplate(template, path);
}

/** Definitions by name; throws a `TypeError` where two have one name, or one pattern in one store (records.md §2.5). */
export function recordsByName(definitions: readonly RecordDef[]): ReadonlyMap<string, RecordDef> {
  const byName = new Map<string, RecordDef>();
  const byPlace = new Map<string, string>();
  for (const each of definitions) {
    if (each?.kind !== 'record') throw new TypeError('"records" is a list of record().');
    const place = `${wild(each.store)} ${wild(each.path)}`;
    const other = byName.has(each.name) ? each.name : byPlace.get(place);
    if (other !== undefined && byName.get(other) !== each) {
      throw new TypeError(`Records "${other}" and "${each.name}" share name or path.`);
    }
    byName.set(each.name, each);
    byPlace.set(place, each.name);
  }
  return byName;
}

/** A template whose parameters have no names. */
function wild(template: string): string {
  return replaceParams(template, () => ':');
}

/** The glob of all objects of a definition, with the parameters that are given filled in (records.md §14.2). */
export function globOf(template: string, params: TemplateParams): string {
  return replaceParams(template, (name) => {
    const value = params[name];
    if (value === undefined) return '*';
    return value === '*' || value === '**' ? `\\${value}` : escapeSegment(value);
  });
}
