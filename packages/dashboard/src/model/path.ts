import { disclose } from './disclose.ts';

/** The path of a child; `''` is the top of the store. */
export function pathBelow(base: string, rest: string): string {
  return base === '' ? rest : `${base}/${rest}`;
}

/** The path one level up; `''` for the top level. */
export function pathAbove(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** The last segment as people know it: the escapes of paths undone, and nothing in it unseen. */
export function nameOf(path: string): string {
  const segment = path.slice(path.lastIndexOf('/') + 1);
  return disclose(segment.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The pattern of everything below a path; a segment that is itself a wildcard is meant literally. */
export function patternBelow(base: string): string {
  const literal = base
    .split('/')
    .map((segment) => (/^\*\*?$/.test(segment) ? `\\${segment}` : segment));
  return pathBelow(literal.join('/'), '**');
}

/** A path behind everything below `path`, and before everything that follows it. */
export function endOf(path: string): string {
  return `${path}/\u{10ffff}`;
}

/** The order of listings: by code points, which is not that of UTF-16 units. */
export function comparePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.codePointAt(i) ?? 0;
    const y = b.codePointAt(i) ?? 0;
    if (x !== y) return x - y;
  }
  return a.length - b.length;
}
