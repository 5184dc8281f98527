import { RejectedError } from '../errors.ts';
import { isObject, type JsonObject } from '../json.ts';
import { canonicalJson } from '../record/canonical.ts';
import { encodeStored } from '../record/exact.ts';
import type { Field, Params, RecordDef, Stored } from './record-types.ts';
import { checkParams, paramsOf } from './template.ts';

/** What conditions compare. */
export type Scalar = null | boolean | number | string | bigint | Date;

/** A condition on one field: a value that it equals, or comparisons that all hold (records.md §14). */
export type Condition<V> =
  | V
  | {
      readonly eq?: V;
      readonly ne?: V;
      readonly lt?: V;
      readonly lte?: V;
      readonly gt?: V;
      readonly gte?: V;
      readonly in?: readonly V[];
      readonly nin?: readonly V[];
      readonly prefix?: string;
      readonly exists?: boolean;
    };

/** Conditions on the scalar fields of a record, all of which hold. */
export type Where<T> = {
  readonly [K in keyof T as NonNullable<T[K]> extends Scalar ? K : never]?: Condition<
    Exclude<T[K], undefined>
  >;
} & {
  readonly $and?: readonly Where<T>[];
  readonly $or?: readonly Where<T>[];
  readonly $not?: Where<T>;
};

/** By which field, and which way. */
export type Order = readonly [field: string, direction: 'asc' | 'desc'];

/** What `collection` takes beside the record. */
export type CollectionSpec<R> = {
  /** Those of the record's parameters that all rows share; the others are free. */
  readonly params?: Partial<Params<R>>;
  readonly where?: Where<Stored<R>>;
  readonly orderBy?:
    | Field<Stored<R>>
    | readonly (readonly [field: Field<Stored<R>>, direction: 'asc' | 'desc'])[];
  /** Default 100, at most 1000. */
  readonly limit?: number;
  /** The end cursor of another window. */
  readonly after?: string;
};

/** A live set of records, declared (records.md §14); made by {@link collection}. */
export interface CollectionDef<R extends RecordDef = RecordDef> {
  readonly kind: 'collection';
  readonly record: R;
  /** What decides which rows there are, as it travels. */
  readonly query: Query;
  /** Names the query among all of a client: equal specs have equal keys (records.md §14.6). */
  readonly key: string;
}

/** A spec with its defaults filled in; values are encoded (records.md §3.3). */
export type Query = {
  readonly params: { readonly [name: string]: string };
  readonly where: JsonObject;
  readonly orderBy: readonly Order[];
  readonly limit: number;
  readonly after: string | null;
};

const limitMax = 1000;
const depthMax = 8;
const termsMax = 64;
const listMax = 1000;
const scalarOp = /^(eq|ne|[lg]te?)$/;
const specKey = /^(params|where|orderBy|limit|after)$/;

/** Declares a collection. Throws a `TypeError` for what is no record, and `invalid_query` for a bad spec. */
export function collection<R extends RecordDef>(
  record: R,
  spec: CollectionSpec<R> = {},
): CollectionDef<R> {
  if (record?.kind !== 'record') throw new TypeError('collection needs a definition of record().');
  const query = readQuery(record, spec);
  const key = `query/${record.name} ${record.store} ${canonicalJson(encodeStored(query))}`;
  return Object.freeze({ kind: 'collection', record, query, key });
}

/** Checks a spec, as it is written or as it has travelled, and fills in its defaults; throws `invalid_query` or `invalid_params`. */
export function readQuery(record: RecordDef, spec: unknown): Query {
  if (!isObject(spec)) throw invalid('a spec is an object');
  const unknown = Object.keys(spec).find((key) => !specKey.test(key));
  if (unknown !== undefined) throw invalid(`there is no "${unknown}"`, unknown);
  const { params = {}, where = {}, orderBy = [], limit = 100, after = null } = spec;
  if (after !== null && typeof after !== 'string') throw new RejectedError('invalid_cursor');
  checkWhere(where, 1, { terms: 0 });
  const encoded = encodeStored(where);
  return {
    params: paramsIn(record, params),
    where: isObject(encoded) ? encoded : {},
    orderBy: ordersOf(orderBy),
    limit: limitOf(limit),
    after,
  };
}

function limitOf(limit: unknown): number {
  if (Number.isSafeInteger(limit) && Number(limit) >= 1 && Number(limit) <= limitMax) {
    return Number(limit);
  }
  throw invalid(`"limit" is an integer from 1 to ${limitMax}`, 'limit');
}

function paramsIn(record: RecordDef, params: unknown): Query['params'] {
  if (!isObject(params)) throw new RejectedError('invalid_params');
  const names = paramsOf(record.path);
  const wanted = [...paramsOf(record.store), ...names.filter((each) => params[each] !== undefined)];
  const given: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined) continue;
    if (typeof value !== 'string' || !wanted.includes(name)) {
      throw new RejectedError('invalid_params', { param: name });
    }
    given[name] = value;
  }
  checkParams(`collection of "${record.name}"`, wanted, given);
  return given;
}

function ordersOf(orderBy: unknown): readonly Order[] {
  const pairs: readonly unknown[] = Array.isArray(orderBy) ? orderBy : [[orderBy, 'asc']];
  return pairs.map((pair): Order => {
    const [field, direction]: readonly unknown[] = Array.isArray(pair) ? pair : [];
    if (typeof field !== 'string' || (direction !== 'asc' && direction !== 'desc')) {
      throw invalid('"orderBy" is a field, or a list of [field, "asc" or "desc"]', 'orderBy');
    }
    return [field, direction];
  });
}

function checkWhere(where: unknown, depth: number, count: { terms: number }): void {
  if (!isPlain(where)) throw invalid('"where" is an object of conditions', 'where');
  if (depth > depthMax) throw invalid('"where" is nested too deep', 'where', depthMax);
  for (const [field, condition] of Object.entries(where)) {
    count.terms += 1;
    if (count.terms > termsMax) throw invalid('"where" has too many terms', 'where', termsMax);
    if (field === '$not') checkWhere(condition, depth + 1, count);
    else if (field === '$and' || field === '$or') {
      if (!Array.isArray(condition)) throw invalid(`"${field}" takes a list`, field);
      for (const each of condition) checkWhere(each, depth + 1, count);
    } else if (field.startsWith('$')) throw invalid(`there is no "${field}"`, field);
    else checkCondition(field, condition);
  }
}

function checkCondition(field: string, condition: unknown): void {
  if (isScalar(condition)) return;
  if (!isPlain(condition)) throw invalid(`the condition on "${field}" is none`, field);
  for (const [op, value] of Object.entries(condition)) {
    if (!isOperand(op, value)) throw invalid(`"${op}" on "${field}" is no condition`, field);
    if (Array.isArray(value) && value.length > listMax) {
      throw invalid(`"${op}" on "${field}" is too long`, field, listMax);
    }
  }
}

function isOperand(op: string, value: unknown): boolean {
  if (op === 'prefix') return typeof value === 'string';
  if (op === 'exists') return typeof value === 'boolean';
  if (op === 'in' || op === 'nin') return Array.isArray(value) && value.every(isScalar);
  return scalarOp.test(op) && isScalar(value);
}

function isScalar(value: unknown): boolean {
  if (value === null) return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object') return ['boolean', 'string', 'bigint'].includes(typeof value);
  // oxlint-disable-next-line no-restricted-globals -- a type, no clock
  if (value instanceof Date) return !Number.isNaN(value.getTime());
  if (!isObject(value)) return false;
  const { _type: type, _typed: text } = value;
  return (
    typeof text === 'string' && (type === 'decimal' || type === 'datetime' || type === 'bigint')
  );
}

function isPlain(value: unknown): value is { readonly [key: string]: unknown } {
  // oxlint-disable-next-line no-restricted-globals -- a type, no clock
  return isObject(value) && !(value instanceof Date) && !(value instanceof Uint8Array);
}

function invalid(why: string, field?: string, limit?: number): RejectedError {
  const details = { ...(field !== undefined && { field }), ...(limit !== undefined && { limit }) };
  return new RejectedError('invalid_query', details, `invalid_query: ${why}.`);
}
