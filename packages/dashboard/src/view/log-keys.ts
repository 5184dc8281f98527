type Place = {
  /** The line that is marked; -1: none is. */
  readonly at: number;
  readonly count: number;
  readonly pageLines: number;
};

/** The line of the log that a key leads to, from the newest one where none is marked; null: the key leads nowhere. */
export function lineFor(key: string, { at, count, pageLines }: Place): number | null {
  const to = destination(key, { at: at < 0 ? count : at, count, pageLines });
  return to === null || count === 0 ? null : Math.min(Math.max(to, 0), count - 1);
}

function destination(key: string, { at, count, pageLines }: Place): number | null {
  switch (key) {
    case 'ArrowDown':
      return at + 1;
    case 'ArrowUp':
      return at - 1;
    case 'PageDown':
      return at + pageLines;
    case 'PageUp':
      return at - pageLines;
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return null;
  }
}
