import type { Path } from '../brand.ts';
import { requestLimits } from '../limits.ts';
import { type PathLimits, toPath } from '../path.ts';
import { type Refusal, refuse } from '../refusals.ts';

/** Reads the path of a payload; `path_segments` wins over `path` (stores.md §2.1.3). */
export function readPath(
  payload: { readonly path?: unknown; readonly path_segments?: unknown },
  limits: PathLimits = requestLimits,
): Path | Refusal {
  const { path, path_segments: segments } = payload;
  if (segments !== undefined && segments !== null) {
    return Array.isArray(segments) ? toPath(segments, limits) : refuse('not_a_list');
  }
  if (path === undefined || path === null) return refuse('missing_path');
  return typeof path === 'string' ? toPath(path, limits) : refuse('invalid_path');
}
