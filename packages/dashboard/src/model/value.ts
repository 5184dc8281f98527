import type { Json } from '@holdfast/client';
import { disclose } from './disclose.ts';

/** A value in one line, cut to a length that a line can hold. */
export function shortValue(value: unknown, charactersMax = 160): string {
  if (value === undefined) return '';
  const text =
    typeof value === 'string' ? JSON.stringify(value.slice(0, charactersMax)) : plain(value);
  return disclose(text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text);
}

function plain(value: unknown): string {
  const typed = typedOf(value);
  return typed ?? JSON.stringify(value) ?? '';
}

/** The text of a typed value such as a date; null for every other. */
function typedOf(value: unknown): string | null {
  return memberOf(value, '_type') === null ? null : memberOf(value, '_typed');
}

/** A member of an object that is a text; null if there is none. */
function memberOf(value: unknown, name: string): string | null {
  if (typeof value !== 'object' || value === null) return null;
  const member: unknown = Object.getOwnPropertyDescriptor(value, name)?.value;
  return typeof member === 'string' ? member : null;
}

/** A value as the text that people edit. */
export function editableText(value: unknown): string {
  // Line by line: the breaks between them are of the layout, those of texts are escaped already.
  const lines = (JSON.stringify(value, null, 2) ?? '').split('\n');
  return lines.map(disclose).join('\n');
}

/** What was meant by a text, or what is wrong with it. */
export type Parsed =
  | { readonly ok: true; readonly value: Json; readonly type: string }
  | { readonly ok: false; readonly problem: string };

const nothingTyped = 'Type a JSON value, such as "text", 42 or true.';

/** Reads what somebody typed as JSON. */
export function parseText(text: string): Parsed {
  if (text.trim() === '') return { ok: false, problem: nothingTyped };
  try {
    const value: Json = JSON.parse(text);
    return { ok: true, value, type: typeNameOf(value) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ok: false, problem: `Not JSON: ${why}. Text needs double quotes.` };
  }
}

/** The type that a value gets when it is written, for people; the server and the core decide. */
function typeNameOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'float';
  if (typeof value !== 'object') return typeof value;
  return memberOf(value, '_type') ?? 'map';
}

/** Whether a value is written as one leaf, which a guard can be about. */
export function isSingleLeaf(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return true;
  return '_type' in value || Object.keys(value).length === 0;
}
