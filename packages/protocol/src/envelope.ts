import type { LeafType } from './op.ts';

/** The types whose values are envelopes, and the names that no client may use otherwise (stores.md §3.1.3). */
const typedNames = [
  'decimal',
  'datetime',
  'bigint',
  'bytes',
  'file',
  'lease',
  'counter',
  'set',
] as const;

type TypedName = Extract<LeafType, (typeof typedNames)[number]>;

const decimal = /^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?$/;
const bigint = /^(0|-?[1-9][0-9]*)$/;
const instant =
  /^([0-9]{4})-([0-9]{2})-([0-9]{2})T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$/i;
const hash = /^sha256:[0-9a-f]{64}$/;
// The last character before the padding has unused bits, which are zero in the canonical form.
const base64 = /^[A-Za-z0-9+/]*([AQgw]==|[AEIMQUYcgkosw048]=)?$/;

const typedKeys = ['_type', '_typed'];
const fileKeys = ['_type', 'hash', 'size', 'content_type', 'filename', 'uploaded_at'];

/** Whether a text is one of the eight reserved names of `_type`. */
export function isTypedName(text: unknown): text is TypedName {
  return typeof text === 'string' && (typedNames as readonly string[]).includes(text);
}

/** The reserved name in an object's own `_type`, if it has one: only then it may be an envelope. */
export function typedNameOf(value: { readonly [key: string]: unknown }): TypedName | null {
  const name = Object.hasOwn(value, '_type') ? value['_type'] : null;
  return isTypedName(name) ? name : null;
}

/** What is wrong with an object that has a reserved `_type` (stores.md §3.1.3); null for a valid envelope. */
export function findEnvelopeFault(
  name: TypedName,
  value: { readonly [key: string]: unknown },
): 'reserved_type' | 'invalid_typed_value' | null {
  if (name === 'lease' || name === 'counter' || name === 'set') return 'reserved_type';
  const keys = name === 'file' ? fileKeys : typedKeys;
  if (Object.keys(value).length !== keys.length) return 'reserved_type';
  if (!keys.every((key) => Object.hasOwn(value, key))) return 'reserved_type';
  const holds = name === 'file' ? isFile(value) : isTypedText(name, value['_typed']);
  return holds ? null : 'invalid_typed_value';
}

function isTypedText(name: string, text: unknown): boolean {
  if (typeof text !== 'string') return false;
  if (name === 'decimal') return text.length <= 256 && decimal.test(text);
  if (name === 'datetime') return isInstant(text);
  return name === 'bigint' ? isBigInteger(text) : isBase64(text);
}

function isBigInteger(text: string): boolean {
  const digits = text.startsWith('-') ? text.length - 1 : text.length;
  return digits <= 1024 && bigint.test(text);
}

/** Canonical, padded base64 (RFC 4648 §4). */
export function isBase64(text: string): boolean {
  return text.length % 4 === 0 && base64.test(text);
}

function isInstant(text: string): boolean {
  if (text.length > 40) return false;
  const [, year, month, day] = instant.exec(text) ?? [];
  return (
    day !== undefined && Number(day) >= 1 && Number(day) <= daysIn(Number(year), Number(month))
  );
}

function daysIn(year: number, month: number): number {
  if (month < 1 || month > 12) return 0;
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function isFile(value: { readonly [key: string]: unknown }): boolean {
  const { hash: digest, size, content_type: type, filename, uploaded_at: at } = value;
  return (
    typeof digest === 'string' &&
    hash.test(digest) &&
    Number.isSafeInteger(size) &&
    Number(size) >= 0 &&
    typeof type === 'string' &&
    (filename === null || typeof filename === 'string') &&
    typeof at === 'string' &&
    isInstant(at)
  );
}
