import {
  isRefusal,
  type Limits,
  type Path,
  type Refusal,
  refuse,
  isReservedPath,
  toPath,
} from '@holdfast/protocol';
import type { Context } from 'hono';

import { refused } from './errors.ts';
import { paramOf } from './query.ts';

/**
 * The path a URL names, behind `…/entries/` or in `?path=` of `…/entry` (stores.md §15.1.2). URL parsers fold `.` and `..`
 * away, which is what the second form is for.
 */
export function pathOf(c: Context, folder: string, limits: Limits): Path {
  const rendered = paramOf(c, 'path') ?? renderedBehind(new URL(c.req.url).pathname, folder);
  const path = isRefusal(rendered) ? rendered : toPath(rendered, limits);
  if (isRefusal(path)) throw refused(path);
  return path;
}

/** Only writes may not touch what is reserved. */
export function writablePathOf(c: Context, folder: string, limits: Limits): Path {
  const path = pathOf(c, folder, limits);
  if (isReservedPath(path)) throw refused(refuse('reserved_path'));
  return path;
}

// Each piece is decoded once, after the split: a `%2F` is no separator, and no part of a segment either; `~1` is.
function renderedBehind(pathname: string, folder: string): string | Refusal {
  // By its place, for the org or the store may be called as the folder is: /api/stores/:org/:store/<folder>/<path>
  const [, , , , , found, ...raws] = pathname.split('/');
  if (found !== folder || raws.length === 0) return refuse('missing_path');
  const pieces: string[] = [];
  for (const raw of raws) {
    const piece = decode(raw);
    if (piece === null || piece.includes('/')) return refuse('invalid_escape');
    pieces.push(piece);
  }
  return pieces.join('/');
}

function decode(piece: string): string | null {
  try {
    return decodeURIComponent(piece);
  } catch {
    return null;
  }
}
