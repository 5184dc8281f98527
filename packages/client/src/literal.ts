import type { Path } from '@holdfast/protocol';

/** A path as a pattern that matches nothing else (stores.md §2.2.1). */
export function literally(path: Path): string {
  return path.replaceAll(/(^|\/)(\*\*?)(?=\/|$)/g, String.raw`$1\$2`);
}
