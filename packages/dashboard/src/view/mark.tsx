import type { ReactNode } from 'react';

/** The mark of Holdfast: a frond above, the holdfast below. */
export function Mark(): ReactNode {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M16 20V4M16 12c5 0 8-3 8-7M16 15c-5 0-8-3-8-7M16 20c0 5-4 8-10 8M16 20c0 5 4 8 10 8M16 20v8" />
    </svg>
  );
}
