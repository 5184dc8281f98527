import type { LeafType } from './op.ts';
import { isCount } from './shape.ts';

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

/** How the text of each type looks whose envelope holds nothing else. */
const forms: { readonly [name: string]: (text: string) => boolean } = {
  decimal: (text) => text.length <= 256 && /^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?$/.test(text),
  datetime: isInstant,
  bigint: isBigint,
  bytes: isBase64,
};

const typedKeys = ['_type', '_typed'];
const fileKeys = ['_type', 'hash', 'size', 'content_type', 'filename', 'uploaded_at'];

/** Whether a text is one of the eight reserved names of `_type`. */
export function isTypedName(text: unknown): text is TypedName {
  return typedNames.some((name) => name === text);
}

/** The reserved name in an object's own `_type`, if it has one: only then it may be an envelope. */
export function typedNameOf(value: { readonly [key: string]: unknown }): TypedName | null {
  const name = Object.hasOwn(value, '_type') ? value['_type'] : null;
  return isTypedName(name) ? name : null;
}

/** What is wrong with an object within a leaf's value, if it has a reserved `_type` (stores.md §3.1.3). */
export function findEnvelopeFault(
  value: { readonly [key: string]: unknown },
  level: number,
): 'reserved_type' | 'invalid_typed_value' | null {
  const name = typedNameOf(value);
  if (name === null) return null;
  const isFile = name === 'file';
  const form = forms[name];
  const keys = isFile ? fileKeys : typedKeys;
  const isEnvelope =
    (isFile ? level === 0 : form !== undefined) &&
    Object.keys(value).length === keys.length &&
    keys.every((key) => Object.hasOwn(value, key));
  if (!isEnvelope) return 'reserved_type';
  const { _typed: text } = value;
  const holds = form === undefined ? isFileValue(value) : typeof text === 'string' && form(text);
  return holds ? null : 'invalid_typed_value';
}

/** An integer of at most 1024 digits, with no zero in front. */
export function isBigint(text: string): boolean {
  return /^(0|-?[1-9]\d{0,1023})$/.test(text);
}

/** Canonical, padded base64 (RFC 4648 §4). */
export function isBase64(text: string): boolean {
  // The last character before the padding has unused bits, which are zero in the canonical form.
  const shape = /^[A-Za-z0-9+/]*([AQgw]==|[AEIMQUYcgkosw048]=)?$/;
  return text.length % 4 === 0 && shape.test(text);
}

const instant =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i;

function isInstant(text: unknown): boolean {
  const parts = typeof text === 'string' && text.length <= 40 ? instant.exec(text) : null;
  const [year = 0, month = 0, day = 0] = parts?.slice(1).map(Number) ?? [];
  return parts !== null && day <= daysIn(year, month);
}

function daysIn(year: number, month: number): number {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  if (month === 2) return isLeap ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function isFileValue(value: { readonly [key: string]: unknown }): boolean {
  const { hash, size, content_type: type, filename, uploaded_at: at } = value;
  return (
    typeof hash === 'string' &&
    /^sha256:[0-9a-f]{64}$/.test(hash) &&
    isCount(size) &&
    typeof type === 'string' &&
    (filename === null || typeof filename === 'string') &&
    isInstant(at)
  );
}
