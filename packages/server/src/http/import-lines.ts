import type { ImportedLeaf } from '@holdfast/engine/data';
import {
  flatten,
  isObject,
  isRefusal,
  type Json,
  type LeafType,
  type Limits,
  parseVersion,
  parseWrite,
  refuse,
  type Refusal,
  segmentsOf,
  toPath,
  typeOfValue,
  versionPath,
} from '@holdfast/protocol';
import { canonicalJson } from '@holdfast/protocol/record';

import { Problem } from './errors.ts';

/** How paths are written in lines without a header: as here, or with dots as older exports have them. */
export type PathStyle = 'slash' | 'dotted';

/** One line of an import: a leaf, or what is wrong with it. */
export type Line =
  | { readonly kind: 'leaf'; readonly line: number; readonly leaf: ImportedLeaf }
  | {
      readonly kind: 'bad';
      readonly line: number;
      readonly path: string | null;
      readonly reason: string;
    };

const VERSION = 3;

/** Reads an upload line by line, never holding more than one of them (stores.md §13.4.2). */
export async function* readLines(
  body: AsyncIterable<Uint8Array>,
  { limits, headerless }: { limits: Limits; headerless: PathStyle | null },
): AsyncGenerator<Line, void, undefined> {
  let line = 0;
  let needsHeader = headerless === null;
  for await (const text of split(body, limits.max_import_line)) {
    line += 1;
    if (text !== null && text.trim() === '') continue;
    if (needsHeader) {
      if (!isHeader(parse(text ?? ''))) throw headerRequired();
      needsHeader = false;
      continue;
    }
    if (text === null) yield bad(line, null, 'body_too_large');
    else yield readLine(line, parse(text), { limits, style: headerless ?? 'slash' });
  }
  if (needsHeader) throw headerRequired();
}

function headerRequired(): Problem {
  return new Problem(400, 'header_required', {
    detail:
      'The first line must be the header of an export (path_schema_version 3). Without one, say ?headerless=slash or ?headerless=dotted.',
  });
}

function isHeader(value: unknown): boolean {
  return isObject(value) && value['_header'] === true && value['path_schema_version'] === VERSION;
}

function readLine(
  line: number,
  value: unknown,
  { limits, style }: { readonly limits: Limits; readonly style: PathStyle },
): Line {
  if (!isObject(value) || typeof value['path'] !== 'string' || value['value'] === undefined) {
    return bad(line, null, 'unparseable');
  }
  const { path: rendered, type = null } = value;
  const path = style === 'dotted' ? rendered.split('.').map(escape).join('/') : rendered;
  const leaf = readLeaf({ path, value: value['value'], type }, limits);
  return isRefusal(leaf) ? bad(line, rendered, leaf.code) : { kind: 'leaf', line, leaf };
}

function escape(segment: string): string {
  return segment.replaceAll('~', '~0').replaceAll('/', '~1');
}

type Told = { readonly path: string; readonly value: unknown; readonly type: unknown };

/** A line is one leaf, with the checks of a `set`, and may be a counter or a set besides. */
function readLeaf({ path, value, type }: Told, limits: Limits): ImportedLeaf | Refusal {
  if (type === 'lease') return refuse('reserved_type');
  const version = readVersion({ path, value, type }, limits);
  if (version !== null) return version;
  const write = parseWrite({ op: 'set', path, value }, { dialect: 4, limits });
  if (isRefusal(write)) return write;
  if (write.op !== 'set') return refuse('invalid op');
  const [first, ...others] = flatten(write.path, write.value);
  if (first === undefined || others.length > 0 || first[0] !== write.path) {
    return refuse('invalid_value', { path });
  }
  const leafType = typeOf(type, write.value);
  if (leafType === null) return refuse('type_mismatch', { type: String(type) });
  return { path: write.path, value: write.value, type: leafType };
}

/** Of which version the objects of a record are: data like any other, though no client writes it (records.md §3.5). */
function readVersion({ path: rendered, value }: Told, limits: Limits): ImportedLeaf | null {
  if (typeof value !== 'string' || parseVersion(value) === null) return null;
  const path = toPath(rendered, limits);
  const [, record = ''] = isRefusal(path) ? [] : segmentsOf(path);
  return path === versionPath(record) ? { path, value, type: 'string' } : null;
}

/** Counters and sets look like numbers and lists; every other type is known from the value. */
function typeOf(type: unknown, value: Json): LeafType | null {
  if (type === 'counter') return typeof value === 'number' ? 'counter' : null;
  if (type === 'set') return isSet(value) ? 'set' : null;
  return typeOfValue(value);
}

function isSet(value: Json): boolean {
  return Array.isArray(value) && new Set(value.map(canonicalJson)).size === value.length;
}

function bad(line: number, path: string | null, reason: string): Line {
  return { kind: 'bad', line, path, reason };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What is no UTF-8 is no JSON either: read leniently it would come in as something else. */
function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return '{';
  }
}

/** The lines of a body; null for one that is too long, of which the rest is passed over. */
async function* split(
  body: AsyncIterable<Uint8Array>,
  max: number,
): AsyncGenerator<string | null, void, undefined> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  const take = (): string | null => {
    const isLong = size > max;
    const text = isLong ? null : decoded(Buffer.concat(pieces));
    pieces = [];
    size = 0;
    return text;
  };
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      pieces.push(chunk.subarray(start, end));
      size += end - start;
      yield take();
      start = end + 1;
    }
    size += chunk.length - start;
    if (size <= max) pieces.push(chunk.subarray(start));
    else pieces = [];
  }
  if (size > 0) yield take();
}
