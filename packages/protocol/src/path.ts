import { asPath, type Path } from './brand.ts';
import type { Limits } from './limits.ts';
import { isRefusal, type Refusal, refuse } from './refusals.ts';
import { utf8Length } from './utf8.ts';

/** The unescaped segments of a path, at least one, each non-empty (stores.md §2.1.1). */
export type Segments = readonly string[];

/** The limits that bound a path; bytes are those of the rendered form (stores.md §12.1). */
export type PathLimits = Pick<Limits, 'max_segment_bytes' | 'max_path_bytes' | 'max_depth'>;

/** How long a path may be is for the server to say, which gets to see all that is written. */
const unlimited: PathLimits = {
  max_segment_bytes: Infinity,
  max_path_bytes: Infinity,
  max_depth: 2 ** 31,
};

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

/** Parses a rendered path with every check of stores.md §2.1.2; of the limits with those that are given. */
export function parsePath(rendered: string, limits: PathLimits = unlimited): Segments | Refusal {
  const path = toPath(rendered, limits);
  return isRefusal(path) ? path : segmentsOf(path);
}

/** Checks a path given in either form and returns it rendered. Reserved paths pass (see {@link isReservedPath}). */
export function toPath(input: string | Segments, limits: PathLimits = unlimited): Path | Refusal {
  const isText = typeof input === 'string';
  // Callers may be JavaScript.
  if (!isText && !Array.isArray(input)) return refuse('invalid_path');
  if (input.length === 0) return refuse('empty_path');
  if (isText) return findPathFault(input, limits) ?? asPath(input);
  if (!input.every((segment) => typeof segment === 'string')) return refuse('not_a_string');
  // One segment too many suffices to see that there are too many.
  const rendered = renderPath(input.slice(0, limits.max_depth + 1));
  return findPathFault(rendered, limits) ?? rendered;
}

/** What is wrong with a rendered path; work and memory stay within the limits. */
function findPathFault(rendered: string, limits: PathLimits): Refusal | null {
  const { max_depth: depthMax, max_path_bytes: bytesMax } = limits;
  const segments = rendered.split('/', depthMax + 1);
  for (const [depth, segment] of segments.entries()) {
    if (depth === depthMax) return refuse('too_deep', { limit: depthMax });
    const fault = checkSegment(segment, limits);
    if (fault !== null) return fault;
  }
  return utf8Length(rendered) > bytesMax ? refuse('path_too_long', { limit: bytesMax }) : null;
}

/** What is wrong with one rendered segment (stores.md §2.1.2). */
export function checkSegment(segment: string, limits: PathLimits): Refusal | null {
  const { max_segment_bytes: limit } = limits;
  if (segment === '') return refuse('empty_segment');
  // A unit is a byte at least.
  if (segment.length > limit || utf8Length(segment) > limit) {
    return refuse('segment_too_long', { limit });
  }
  if (wellFormed.test(segment)) return null;
  return refuse(/~(?![01])/.test(segment) ? 'invalid_escape' : 'invalid_segment');
}

/** No U+0000, no unpaired surrogate, and `~` only as `~0` and `~1`. */
const wellFormed = /^([^~\0\p{Cs}]|~[01])*$/u;

/** Whether a decoded value is a path. The limits are the business of the server that sent it. */
export function isWirePath(value: unknown): value is Path {
  if (typeof value !== 'string') return false;
  return plain.test(value) || findPathFault(value, unlimited) === null;
}

/** What most paths are like: there is nothing to see to. */
const plain = /^[ -.0-}]+(\/[ -.0-}]+)*$/;

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
  return b.startsWith(`${a}/`);
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

const versions = '_hf:schema/';

/** Where a store says of which version the objects of a record are (records.md §3.5). */
export function versionPath(record: string): Path {
  return asPath(`${versions}${record}`);
}

/** Whether clients may not write there: `_dust:last_seq`, and `_hf:schema` with all below (stores.md §2.1.5). */
export function isReservedPath(path: Path): boolean {
  return path === '_dust:last_seq' || path === '_hf:schema' || path.startsWith(versions);
}
