import {
  comparePaths,
  isObject,
  type Json,
  type JsonObject,
  type Order,
  type Path,
} from '@holdfast/protocol';
import { canonicalJson } from '@holdfast/protocol/record';

/** The ranks of records.md §14.1, from the least. */
const ranks = {
  absent: 0,
  null: 1,
  boolean: 2,
  number: 3,
  datetime: 4,
  string: 5,
  other: 6,
} as const;

/** The one order of values (records.md §14.1); undefined stands for absence. */
export function compareValues(a: Json | undefined, b: Json | undefined): number {
  if (a === b) return 0;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const rank = rankOf(a);
  const apart = rank - rankOf(b);
  if (apart !== 0 || a === undefined || b === undefined) return apart;
  if (rank === ranks.number) return compareNumbers(textOf(a), textOf(b));
  if (rank === ranks.datetime) return compareExact(instantOf(a), instantOf(b));
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b);
  return rank === ranks.other ? compareTexts(canonicalJson(a), canonicalJson(b)) : bit(a) - bit(b);
}

/** Of null and booleans: false before true. */
function bit(value: Json): number {
  return value === true ? 1 : 0;
}

function rankOf(value: Json | undefined): number {
  if (value === undefined) return ranks.absent;
  if (value === null) return ranks.null;
  if (typeof value === 'boolean') return ranks.boolean;
  if (typeof value === 'number') return ranks.number;
  if (typeof value === 'string') return ranks.string;
  const type = typeOf(value);
  if (type === 'decimal' || type === 'bigint') return ranks.number;
  return type === 'datetime' ? ranks.datetime : ranks.other;
}

function typeOf(value: Json): string | null {
  if (!isObject(value) || typeof value['_typed'] !== 'string') return null;
  const { _type: type } = value;
  return typeof type === 'string' && Object.keys(value).length === 2 ? type : null;
}

function textOf(value: Json): string {
  if (typeof value === 'number') return String(value);
  const text = isObject(value) ? value['_typed'] : '';
  return typeof text === 'string' ? text : '';
}

// The order of UTF-8 bytes is what paths have too.
function compareTexts(a: string, b: string): number {
  return comparePaths(a, b);
}

/** A number as an integer and how many of its digits are fractions. */
type Exact = { readonly digits: bigint; readonly scale: number };

/** Rounded numbers that differ are in the order of the exact ones, so that few have to be looked at digit by digit. */
function compareNumbers(a: string, b: string): number {
  const [left, right] = [Number(a), Number(b)];
  if (left !== right) return left < right ? -1 : 1;
  return compareExact(exactOf(a), exactOf(b));
}

function exactOf(text: string): Exact {
  const [mantissa = '0', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '0', fraction = ''] = mantissa.split('.');
  return { digits: BigInt(whole + fraction), scale: fraction.length - Number(exponent) };
}

/**
 * By their signs and by where their first digits stand, and only where these agree digit by digit: between two decimals may
 * lie twenty thousand zeros, which nobody is to write out for each row of a query.
 */
function compareExact(a: Exact, b: Exact): number {
  const [sign, other] = [signOf(a), signOf(b)];
  if (sign !== other || sign === 0) return sign - other;
  const apart = reachOf(a) - reachOf(b);
  if (apart !== 0) return apart * sign;
  const scale = Math.max(a.scale, b.scale);
  const [left, right] = [a, b].map(({ digits, scale: own }) => digits * 10n ** BigInt(scale - own));
  if (left === right || left === undefined || right === undefined) return 0;
  return left < right ? -1 : 1;
}

function signOf({ digits }: Exact): -1 | 0 | 1 {
  if (digits === 0n) return 0;
  return digits < 0n ? -1 : 1;
}

/** How many places before the point the first digit stands. */
function reachOf({ digits, scale }: Exact): number {
  return String(digits < 0n ? -digits : digits).length - scale;
}

const instant = /^(\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/i;

/** Seconds since 1970, whatever the offset: datetimes that name one instant are equal here. */
function instantOf(value: Json): Exact {
  const [, year, month, day, hour, minute, second, fraction = '', sign, hours, minutes] =
    instant.exec(textOf(value)) ?? [];
  const days = daysBefore(Number(year), Number(month)) + Number(day);
  const offset = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * (sign === '-' ? -1 : 1);
  const whole = (days * 24 + Number(hour)) * 3600 + (Number(minute) - offset) * 60 + Number(second);
  if (Number.isNaN(whole)) return { digits: 0n, scale: 0 };
  const digits = BigInt(whole) * 10n ** BigInt(fraction.length) + BigInt(fraction || '0');
  return { digits, scale: fraction.length };
}

/** Days before a month of the Gregorian calendar, from some day on; the year begins with March, so that leap days come last. */
function daysBefore(year: number, month: number): number {
  const late = month <= 2 ? 1 : 0;
  const y = year - late;
  const m = month + 12 * late - 3;
  return (
    365 * y +
    Math.floor(y / 4) -
    Math.floor(y / 100) +
    Math.floor(y / 400) +
    Math.floor((153 * m + 2) / 5)
  );
}

/** Where a row stands: what it is ordered by, and its path. */
export type Place = { readonly path: Path; readonly keys: readonly (Json | undefined)[] };

/** The place of an object in an order. */
export function placeOf(path: Path, value: JsonObject, orders: readonly Order[]): Place {
  const keys = orders.map(([field]) => (Object.hasOwn(value, field) ? value[field] : undefined));
  return { path, keys };
}

/** Compares places: by what they are ordered by, then by path. */
export function comparePlaces(orders: readonly Order[]): (a: Place, b: Place) => number {
  const signs = orders.map(([, direction]) => (direction === 'asc' ? 1 : -1));
  return (a, b) => {
    for (const [index, sign] of signs.entries()) {
      const order = compareValues(a.keys[index], b.keys[index]);
      if (order !== 0) return order * sign;
    }
    return comparePaths(a.path, b.path);
  };
}
