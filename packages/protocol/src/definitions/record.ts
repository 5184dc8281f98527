import { HoldfastError, RejectedError } from '../errors.ts';
import { isObject } from '../json.ts';
import { renderPath, toPath } from '../path.ts';
import { isRefusal } from '../refusals.ts';
import { parseStoreName } from '../store-name.ts';
import type { StoreName } from '../brand.ts';
import type {
  Params,
  RecordDef,
  RecordRef,
  RecordSpec,
  RecordTypes,
  TypesOfSpec,
} from './record-types.ts';
import { isAsyncSchema, isSchema, passSchema, type StandardSchema } from './schema.ts';
import { checkParams, checkTemplate, fillTemplate, matchTemplate, paramsOf } from './template.ts';
import type { TemplateParams } from './template.ts';
import { majorOf, parseVersion } from './version.ts';

const nameShape = /^[a-z][a-z0-9_.-]{0,63}$/;
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
  // The checks look at what no type keeps out; the types of the spec stay with the definition.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a spec has the members of a definition
  const given = spec as unknown as Given;
  checkNames(given);
  checkSchemas(given);
  checkParts(given);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the phantom types are those of the spec
  return Object.freeze(new Definition(given)) as unknown as RecordDef<
    TypesOfSpec<N, St | P, S, F, I>
  >;
}

/** A spec whose types are forgotten. */
type Given = Pick<RecordDef, 'name' | 'store' | 'path' | 'schema' | 'version'> &
  Partial<Omit<RecordDef, 'ref' | 'key' | 'match'>>;

/** The one implementation of {@link RecordDef}. */
class Definition implements RecordDef {
  readonly kind = 'record';
  readonly name: string;
  readonly store: string;
  readonly path: string;
  readonly schema: RecordDef['schema'];
  readonly stored: RecordDef['stored'];
  readonly version: string;
  readonly params: RecordDef['params'];
  readonly migrate: RecordDef['migrate'];
  readonly migrateDown: RecordDef['migrateDown'];
  readonly authority: RecordDef['authority'];
  readonly visibility: RecordDef['visibility'];
  readonly mutations: RecordDef['mutations'];
  readonly conflict: RecordDef['conflict'];

  constructor(of: Given) {
    const version = parseVersion(of.version);
    this.name = of.name;
    this.store = of.store;
    this.path = of.path;
    this.schema = of.schema;
    this.stored = of.stored ?? 'output';
    this.version = version === null ? of.version : `${version.major}.${version.minor}`;
    this.params = of.params ?? null;
    this.migrate = Object.freeze({ ...of.migrate });
    this.migrateDown = Object.freeze({ ...of.migrateDown });
    this.authority = of.authority ? Object.freeze({ ...of.authority }) : null;
    this.visibility = of.visibility ? Object.freeze({ ...of.visibility }) : null;
    this.mutations = Object.freeze({ ...of.mutations });
    this.conflict = of.conflict ?? 'rebase';
  }

  ref(params: RecordTypes['params']): RecordRef<this> {
    const of = `record "${this.name}"`;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked at once
    const given = params as TemplateParams;
    checkParams(of, [...paramsOf(this.store), ...paramsOf(this.path)], given);
    this.#gate(given);
    const store = storeOf(this.store, given);
    if (store === null) throw new RejectedError('invalid_params', { store: this.store });
    const path = fillTemplate(this.path, given);
    return {
      record: this,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- those of this definition
      params: given as Params<this>,
      store,
      path,
      key: `rec/${store}/${path}`,
    };
  }

  key(params: RecordTypes['params']): string {
    return this.ref(params).key;
  }

  match(path: string, store?: string): TemplateParams | null {
    const at = toPath(path);
    const own = isRefusal(at) ? null : matchTemplate(this.path, at);
    if (own === null || store === undefined) return own;
    const name = toPath(store);
    const its = isRefusal(name) ? null : matchTemplate(this.store, name);
    return its && { ...its, ...own };
  }

  #gate(params: TemplateParams): void {
    const passed = this.params === null ? null : passSchema(this.params, params);
    if (passed !== null && 'issue' in passed) {
      const { issue, issues } = passed;
      throw new RejectedError('invalid_params', { issues }, `record "${this.name}": ${issue}`);
    }
  }
}

function storeOf(template: string, params: TemplateParams): StoreName | null {
  const filled = template
    .split('/')
    .map((segment) => (segment.startsWith(':') ? (params[segment.slice(1)] ?? '') : segment));
  return filled.some((segment) => segment.includes('/')) ? null : parseStoreName(filled.join('/'));
}

function checkNames({ name, store, path }: Given): void {
  for (const [what, text] of Object.entries({ name, store, path })) {
    if (typeof text !== 'string' || text === '') {
      throw new TypeError(`record: "${what}" must be a non-empty string.`);
    }
  }
  if (!nameShape.test(name)) {
    throw new TypeError(`record: "name" is a-z, then at most 63 of a-z 0-9 _ . -, not "${name}".`);
  }
  checkTemplate('record: "store"', store);
  checkTemplate('record: "path"', path);
  if (paramsOf(store).some((each) => paramsOf(path).includes(each))) {
    throw new TypeError(`record: "store" and "path" may not share a parameter.`);
  }
  const sample = Object.fromEntries(paramsOf(store).map((each) => [each, 'x']));
  if (storeOf(store, sample) === null) {
    throw new TypeError(`record: "store" must be a store name like org/name, not "${store}".`);
  }
}

function checkSchemas({ schema, params, version }: Given): void {
  if (!isSchema(schema)) {
    throw new TypeError(
      'record: "schema" must be a Standard Schema; passthrough() takes anything.',
    );
  }
  if (params !== undefined && !isSchema(params)) {
    throw new TypeError('record: "params" must be a Standard Schema.');
  }
  if (isAsyncSchema(schema) || (params && isAsyncSchema(params))) {
    throw new HoldfastError('async_schema', {}, 'record: a schema must not be asynchronous.');
  }
  const isAny = version === '*' && passes.has(schema);
  if (parseVersion(version) === null && !isAny) {
    throw new TypeError('record: "version" must be like "3.1"; "*" goes with passthrough() only.');
  }
}

function checkParts(given: Given): void {
  const { authority, migrate, migrateDown, mutations, visibility } = given;
  check({ authority }, isRule, '"server", "lww" or a function');
  check({ visibility, migrate, migrateDown }, isFunction, 'a function');
  check({ mutations }, isMutation, 'an object with a function "apply", perhaps a schema "input"');
  for (const major of [...Object.keys(migrate ?? {}), ...Object.keys(migrateDown ?? {})]) {
    if (String(majorOf(major)) !== major) {
      throw new TypeError(`record: a migration is from a major like "2", not "${major}".`);
    }
  }
  const { conflict = 'rebase', stored = 'output' } = given;
  if (stored !== 'output' && stored !== 'input') {
    throw new TypeError('record: "stored" must be "output" or "input".');
  }
  if (conflict !== 'rebase' && conflict !== 'detect') {
    throw new TypeError('record: "conflict" must be "rebase" or "detect".');
  }
}

const isFunction = (each: unknown): boolean => typeof each === 'function';

const isRule = (rule: unknown): boolean => rule === 'server' || rule === 'lww' || isFunction(rule);

const isMutation = (each: unknown): boolean =>
  isObject(each) &&
  isFunction(each['apply']) &&
  (each['input'] === undefined || isSchema(each['input']));

function check(
  maps: { readonly [part: string]: object | null | undefined },
  isSound: (each: unknown) => boolean,
  needs: string,
): void {
  for (const [part, map] of Object.entries(maps)) {
    if (map === undefined) continue;
    if (!isObject(map)) throw new TypeError(`record: "${part}" must be an object.`);
    for (const [name, each] of Object.entries(map)) {
      if (!isSound(each)) throw new TypeError(`record: "${part}.${name}" must be ${needs}.`);
    }
  }
}

/** Definitions by name; throws a `TypeError` where two have one name, or one pattern in one store (records.md §2.5). */
export function recordsByName(definitions: readonly RecordDef[]): ReadonlyMap<string, RecordDef> {
  const byName = new Map<string, RecordDef>();
  const byPlace = new Map<string, string>();
  for (const each of definitions) {
    if (each?.kind !== 'record') throw new TypeError('"records" must be definitions of record().');
    const place = `${wild(each.store)} ${wild(each.path)}`;
    const other = byName.has(each.name) ? each.name : byPlace.get(place);
    if (other !== undefined && byName.get(other) !== each) {
      throw new TypeError(`The records "${other}" and "${each.name}" are two of one name or path.`);
    }
    byName.set(each.name, each);
    byPlace.set(place, each.name);
  }
  return byName;
}

/** A template whose parameters have no names. */
function wild(template: string): string {
  return template.replaceAll(/(^|\/):[^/]+/g, '$1:');
}

/** The glob of all objects of a definition, with the parameters that are given filled in (records.md §14.2). */
export function globOf(template: string, params: TemplateParams): string {
  const segments = template.split('/').map((segment) => {
    if (!segment.startsWith(':')) return segment;
    const value = params[segment.slice(1)];
    if (value === undefined) return '*';
    return value === '*' || value === '**' ? `\\${value}` : renderPath([value]);
  });
  return segments.join('/');
}
