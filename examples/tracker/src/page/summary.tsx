import type { ReactNode } from 'react';
import { useSnapshot, useView } from './holdfast.ts';

/** How many issues there are. */
export function Summary(): ReactNode {
  const issues = useSnapshot(useView('Summary'), (shown) => shown.issues);
  return <p className="hint">{`${issues} issue${issues === 1 ? '' : 's'}`}</p>;
}
