import type { Json, JsonObject, Order, Query, RecordDef } from '@holdfast/protocol';
import { compareValues, type Place } from './order.ts';
import { opsOf } from './where.ts';

/** One stretch of an ordering. */
export type Range = {
  /** What the places have in their first fields. */
  readonly fixed: readonly Json[];
  /** -1 of a place before the range, 1 of one after it. */
  sideOf(place: Place): number;
};

/** How a declared index serves a query. */
export type Plan = {
  /** The fields of the index, all in one direction. */
  readonly orders: readonly Order[];
  /** Where all that matches lies. */
  readonly range: Range;
  /** All that lies in the range matches, and in this order: nothing is left to be tested or sorted. */
  readonly isWhole: boolean;
};

/** A comparison that cuts off one end of what comes in order. */
type Limit = readonly [op: string, operand: Json];

/** The index that leaves the least to look at; null where none helps. */
export function planOf(def: Pick<RecordDef, 'indexes' | 'path'>, query: Query): Plan | null {
  const isOfSome = def.path
    .split('/')
    .some((part) => part.startsWith(':') && query.params[part.slice(1)] !== undefined);
  const found = def.indexes.map((fields) => choiceOf(fields, query, isOfSome));
  const best = found.toSorted((a, b) => b.worth - a.worth)[0];
  return best === undefined || best.worth === 0 ? null : best.plan;
}

type Choice = { readonly plan: Plan; readonly worth: number };

function choiceOf(fields: readonly string[], query: Query, isOfSome: boolean): Choice {
  const { where, orderBy } = query;
  const equals = fields.map((field) => termsOf(where, field).find(([op]) => op === 'eq'));
  const end = equals.indexOf(undefined);
  const fixed = equals
    .slice(0, end === -1 ? fields.length : end)
    .flatMap((each) => [each?.[1] ?? null]);
  const rest = fields.slice(fixed.length);
  const limits = termsOf(where, rest[0]).filter(([op]) => /^[lg]te?$/.test(op));
  const used = fields.slice(0, fixed.length + Math.min(limits.length, 1));
  const terms = used.flatMap((field) => termsOf(where, field));
  const isWhole =
    !isOfSome &&
    fixed.every(isAlone) &&
    Object.keys(where).length === used.length &&
    terms.length === fixed.length + limits.length &&
    isOrder(orderBy, rest);
  const direction = (isWhole ? orderBy[0]?.[1] : null) ?? 'asc';
  const range = rangeOf(fixed, limits, direction === 'asc' ? 1 : -1);
  const orders = fields.map((field): Order => [field, direction]);
  // What is one value leaves less than what is more, or less, than one.
  const worth = 4 * fixed.length + 2 * (used.length - fixed.length) + (isWhole ? 1 : 0);
  return { plan: { orders, range, isWhole }, worth };
}

function termsOf(where: JsonObject, field: string | undefined): readonly Limit[] {
  const condition = field !== undefined && Object.hasOwn(where, field) ? where[field] : undefined;
  return condition === undefined ? [] : opsOf(condition);
}

/** Whether no other value has the same place in the order: of numbers and datetimes one may be written in several ways. */
function isAlone(value: Json): boolean {
  return value === null || typeof value === 'boolean' || typeof value === 'string';
}

/** Whether it is by these fields, and all in one direction: of equals the path decides either way. */
function isOrder(orderBy: readonly Order[], fields: readonly string[]): boolean {
  const direction = orderBy[0]?.[1];
  return (
    orderBy.length === fields.length &&
    orderBy.every(([field, its], at) => field === fields[at] && its === direction)
  );
}

function rangeOf(fixed: readonly Json[], limits: readonly Limit[], sign: 1 | -1): Range {
  return {
    fixed,
    sideOf({ keys }) {
      for (const [at, value] of fixed.entries()) {
        const apart = compareValues(keys[at], value);
        if (apart !== 0) return apart * sign;
      }
      return limits.length === 0 ? 0 : sideOf(keys[fixed.length], limits) * sign;
    },
  };
}

/** What is absent compares with nothing; it is the least in the order. */
function sideOf(value: Json | undefined, limits: readonly Limit[]): number {
  if (value === undefined) return -1;
  // The lower ones first: where no value meets all, each has one side nevertheless.
  if (limits.some(([op, operand]) => op.startsWith('g') && !isMet(value, op, operand))) return -1;
  return limits.some(([op, operand]) => op.startsWith('l') && !isMet(value, op, operand)) ? 1 : 0;
}

function isMet(value: Json, op: string, operand: Json): boolean {
  const apart = compareValues(value, operand);
  if (apart === 0) return op.endsWith('e');
  return op.startsWith('g') === apart > 0;
}
