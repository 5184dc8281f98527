import { RejectedError } from '../errors.ts';
import { isObject, type JsonObject } from '../json.ts';
import { canonicalJson } from '../record/canonical.ts';
import { encodeStored } from '../record/stored.ts';
import { isInteger } from '../shape.ts';
import type { Field, Params, RecordDef, Scalar, Stored } from './record-types.ts';
import { checkParams, paramsOf } from './template.ts';

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

/** Rows of one window at most (records.md §19). */
export const rowsMax = 1000;
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
  if (!isObject(spec)) throw invalid('spec');
  const unknown = Object.keys(spec).find((key) => !specKey.test(key));
  if (unknown !== undefined) throw invalid(unknown);
  const { params = {}, where = {}, orderBy = [], limit = 100, after = null } = spec;
  if (after !== null && typeof after !== 'string') throw new RejectedError('invalid_cursor');
  if (!isLimit(limit)) throw invalid('limit');
  checkWhere(where, 1, { terms: 0 });
  const encoded = encodeStored(where);
  return {
    params: paramsIn(record, params),
    where: isObject(encoded) ? encoded : {},
    orderBy: ordersOf(orderBy),
    limit,
    after,
  };
}

function isLimit(limit: unknown): limit is number {
  return isInteger(limit) && limit >= 1 && limit <= rowsMax;
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
  atMost(termsMax, pairs.length, 'orderBy');
  return pairs.map((pair): Order => {
    const [field, direction]: readonly unknown[] = Array.isArray(pair) ? pair : [];
    if (typeof field !== 'string' || (direction !== 'asc' && direction !== 'desc')) {
      throw invalid('orderBy');
    }
    return [field, direction];
  });
}

function checkWhere(where: unknown, depth: number, count: { terms: number }): void {
  if (!isPlain(where)) throw invalid('where');
  atMost(depthMax, depth, 'where');
  const terms = Object.entries(where);
  // One that says nothing is something to be asked all the same.
  count.terms += terms.length || Number(depth > 1);
  atMost(termsMax, count.terms, 'where');
  for (const [field, condition] of terms) {
    if (field === '$not') checkWhere(condition, depth + 1, count);
    else if (field === '$and' || field === '$or') {
      if (!Array.isArray(condition)) throw invalid(field);
      for (const each of condition) checkWhere(each, depth + 1, count);
    } else if (field.startsWith('$') || !isCondition(condition)) throw invalid(field);
  }
}

function atMost(limit: number, count: number, field: string): void {
  if (count > limit) throw invalid(field, limit);
}

/** A value that a field equals, or comparisons with others. */
function isCondition(condition: unknown): boolean {
  if (isScalar(condition)) return true;
  return isPlain(condition) && Object.entries(condition).every(([op, by]) => isOperand(op, by));
}

function isOperand(op: string, value: unknown): boolean {
  if (op === 'prefix') return typeof value === 'string';
  if (op === 'exists') return typeof value === 'boolean';
  if (op !== 'in' && op !== 'nin') return scalarOp.test(op) && isScalar(value);
  return Array.isArray(value) && value.length <= listMax && value.every(isScalar);
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

/** What of the spec is malformed, or beyond which limit. */
function invalid(field: string, limit?: number): RejectedError {
  return new RejectedError('invalid_query', limit === undefined ? { field } : { field, limit });
}
