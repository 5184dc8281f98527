import { asPath, type Path } from './brand.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { isRefusal, type Refusal, refuse } from './refusals.ts';
import { isPair, utf8Length } from './utf8.ts';

/** The unescaped segments of a path, at least one, each non-empty (stores.md §2.1.1). */
export type Segments = readonly string[];

/** The limits that bound a path; bytes are those of the rendered form (stores.md §12.1). */
export type PathLimits = Pick<Limits, 'max_segment_bytes' | 'max_path_bytes' | 'max_depth'>;

const slash = 0x2f;
const tilde = 0x7e;

/** Escapes one segment: `~` becomes `~0`, then `/` becomes `~1` (stores.md §2.1.1). */
export function escapeSegment(segment: string): string {
  return segment.includes('~') || segment.includes('/')
    ? segment.replaceAll('~', '~0').replaceAll('/', '~1')
    : segment;
}

export function unescapeSegment(segment: string): string {
  return segment.includes('~') ? segment.replaceAll('~1', '/').replaceAll('~0', '~') : segment;
}

/** Renders segments that are known to be valid; checks nothing. */
export function renderPath(segments: Segments): Path {
  return asPath(segments.map(escapeSegment).join('/'));
}

/** Splits a valid path into its unescaped segments. */
export function segmentsOf(path: Path): Segments {
  const pieces = path.split('/');
  return path.includes('~') ? pieces.map(unescapeSegment) : pieces;
}

/** Parses a rendered path with every check of stores.md §2.1.2, limits included. */
export function parsePath(
  rendered: string,
  limits: PathLimits = defaultLimits,
): Segments | Refusal {
  const path = toPath(rendered, limits);
  return isRefusal(path) ? path : segmentsOf(path);
}

/** Checks a path given in either form and returns it rendered. Reserved paths pass (see {@link isReservedPath}). */
export function toPath(
  input: string | Segments,
  limits: PathLimits = defaultLimits,
): Path | Refusal {
  const rendered = typeof input === 'string' ? input : renderChecked(input, limits);
  if (isRefusal(rendered)) return rendered;
  return findPathFault(rendered, limits) ?? asPath(rendered);
}

/** Reads the path of a payload; `path_segments` wins over `path` (stores.md §2.1.3). */
export function readPath(
  payload: { readonly path?: unknown; readonly path_segments?: unknown },
  limits: PathLimits = defaultLimits,
): Path | Refusal {
  const { path, path_segments: segments } = payload;
  if (segments !== undefined && segments !== null) {
    return Array.isArray(segments) ? toPath(segments, limits) : refuse('not_a_list');
  }
  if (path === undefined || path === null) return refuse('missing_path');
  return typeof path === 'string' ? toPath(path, limits) : refuse('invalid_path');
}

function renderChecked(segments: readonly unknown[], limits: PathLimits): string | Refusal {
  if (segments.length === 0) return refuse('empty_path');
  const pieces: string[] = [];
  for (const segment of segments) {
    if (typeof segment !== 'string') return refuse('not_a_string');
    if (segment === '') return refuse('empty_segment');
    if (pieces.length === limits.max_depth) return refuse('too_deep', { limit: limits.max_depth });
    if (segment.length > limits.max_segment_bytes) return segmentTooLong(limits);
    pieces.push(escapeSegment(segment));
  }
  return pieces.join('/');
}

// Work and memory stay within the limits: the scan ends at the first byte beyond one.
function findPathFault(rendered: string, limits: PathLimits): Refusal | null {
  if (rendered === '') return refuse('empty_path');
  let start = 0;
  for (let depth = 1; ; depth++) {
    if (depth > limits.max_depth) return refuse('too_deep', { limit: limits.max_depth });
    const end = scanSegment(rendered, start, limits.max_segment_bytes);
    if (typeof end !== 'number') return end;
    if (end > limits.max_path_bytes) break;
    if (end === rendered.length) {
      // Three bytes per unit is the most that UTF-8 takes.
      const mayExceed = rendered.length * 3 > limits.max_path_bytes;
      return mayExceed && utf8Length(rendered) > limits.max_path_bytes ? pathTooLong(limits) : null;
    }
    start = end + 1;
  }
  return pathTooLong(limits);
}

const unlimited: PathLimits = {
  max_segment_bytes: Infinity,
  max_path_bytes: Infinity,
  max_depth: Infinity,
};

/** Whether a decoded value is a path. The limits are the business of the server that sent it. */
export function isWirePath(value: unknown): value is Path {
  return typeof value === 'string' && findPathFault(value, unlimited) === null;
}

/** Index just behind a segment of a rendered path, or what is wrong with the segment. */
function scanSegment(text: string, start: number, bytesMax: number): number | Refusal {
  let bytes = 0;
  let i = start;
  for (; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === slash) break;
    bytes += unitBytes(unit);
    if (bytes > bytesMax) return refuse('segment_too_long', { limit: bytesMax });
    if (unit === 0 || unit === tilde || unit >= 0xd800) {
      const fault = findUnitFault(text, i);
      if (fault !== null) return fault;
    }
  }
  return i === start ? refuse('empty_segment') : i;
}

function findUnitFault(text: string, at: number): Refusal | null {
  const unit = text.charCodeAt(at);
  if (unit === tilde) return isEscape(text.charCodeAt(at + 1)) ? null : refuse('invalid_escape');
  return unit === 0 || isUnpaired(text, at) ? refuse('invalid_segment') : null;
}

function isEscape(unit: number): boolean {
  return unit === 0x30 || unit === 0x31;
}

function isUnpaired(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  if (unit < 0xd800 || unit > 0xdfff) return false;
  return unit < 0xdc00
    ? !isPair(unit, text.charCodeAt(at + 1))
    : !isPair(text.charCodeAt(at - 1), unit);
}

// Half of a surrogate pair counts for two of its four bytes.
function unitBytes(unit: number): number {
  if (unit < 0x80) return 1;
  return unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3;
}

function segmentTooLong(limits: PathLimits): Refusal {
  return refuse('segment_too_long', { limit: limits.max_segment_bytes });
}

function pathTooLong(limits: PathLimits): Refusal {
  return refuse('path_too_long', { limit: limits.max_path_bytes });
}

/** Checks one key of a map that is being written: rendered bytes, or what is wrong (stores.md §2.1.3). */
export function checkSegment(segment: string, limits: PathLimits): number | Refusal {
  if (segment === '') return refuse('empty_segment');
  if (segment.length > limits.max_segment_bytes) return segmentTooLong(limits);
  const rendered = escapeSegment(segment);
  const end = scanSegment(rendered, 0, limits.max_segment_bytes);
  return typeof end === 'number' ? utf8Length(rendered) : end;
}

/** The path of a child; the segment is escaped but not checked. */
export function childPath(path: Path, segment: string): Path {
  return asPath(`${path}/${escapeSegment(segment)}`);
}

/** The path one level up, or null at the top. */
export function parentOf(path: Path): Path | null {
  const cut = path.lastIndexOf('/');
  return cut === -1 ? null : asPath(path.slice(0, cut));
}

/** Whether a is a strict ancestor of b (stores.md §2.1.4). */
export function isAncestor(a: Path, b: Path): boolean {
  return b.length > a.length && b.charCodeAt(a.length) === slash && b.startsWith(a);
}

/** Orders rendered paths by their UTF-8 bytes, which is the order of code points (stores.md §1.3.4). */
export function comparePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

// Surrogates stand for code points above all others, though their units lie below U+E000.
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** Whether clients may not write there: `_dust:last_seq`, and `_hf:schema` with all below (stores.md §2.1.5). */
export function isReservedPath(path: Path): boolean {
  return path === '_dust:last_seq' || path === '_hf:schema' || path.startsWith('_hf:schema/');
}
