import { type ReactNode, type RefObject, useEffect, useState } from 'react';

/** Lines beyond the edges that are drawn, too, so that none is missing while scrolling. */
const OVERSCAN = 8;

type Visible = { readonly first: number; readonly last: number };

/** Which lines of a list are in sight. */
export function useVisible(
  box: RefObject<HTMLElement | null>,
  { count, rowHeight }: { readonly count: number; readonly rowHeight: number },
): Visible {
  const [sight, setSight] = useState({ top: 0, height: 0 });
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const look = (): void => setSight({ top: element.scrollTop, height: element.clientHeight });
    const sizes = new ResizeObserver(look);
    sizes.observe(element);
    element.addEventListener('scroll', look, { passive: true });
    return () => {
      sizes.disconnect();
      element.removeEventListener('scroll', look);
    };
  }, [box]);
  const first = Math.max(0, Math.floor(sight.top / rowHeight) - OVERSCAN);
  const last = Math.min(count, Math.ceil((sight.top + sight.height) / rowHeight) + OVERSCAN);
  return { first: Math.min(first, last), last };
}

/** Scrolls a box just so far that a line is in sight. */
export function showLine(element: HTMLElement, index: number, rowHeight: number): void {
  const top = index * rowHeight;
  if (top < element.scrollTop) element.scrollTop = top;
  const bottom = top + rowHeight - element.clientHeight;
  if (bottom > element.scrollTop) element.scrollTop = bottom;
}

type LinesProps = Visible & {
  readonly count: number;
  readonly rowHeight: number;
  /** A line that is drawn wherever it is, for the focus is on it. */
  readonly always?: number;
  readonly line: (
    index: number,
    style: { readonly top: number; readonly height: number },
  ) => ReactNode;
};

/** The lines in sight of a list that may be of any length, each in its place. */
export function Lines({ first, last, count, rowHeight, always = -1, line }: LinesProps): ReactNode {
  const indices = Array.from({ length: last - first }, (_, at) => first + at);
  const isApart = always >= 0 && always < count && (always < first || always >= last);
  if (isApart) indices.push(always);
  return (
    <div className="lines" role="presentation" style={{ height: count * rowHeight }}>
      {indices.map((index) => line(index, { top: index * rowHeight, height: rowHeight }))}
    </div>
  );
}
