import type { ReactNode } from 'react';

/** The initials of a person, in a colour of their own. */
export function Avatar({ name }: { readonly name: string }): ReactNode {
  const initials = name
    .split(/\s+/)
    .slice(0, 2)
    // A letter may take two places in a text.
    .map((word) => Array.from(word)[0])
    .join('');
  const hue = Array.from(name, (letter) => letter.codePointAt(0) ?? 0).reduce(
    (sum, code) => (sum * 217 + code * 7) % 360,
    0,
  );
  return (
    <span className="avatar" style={{ backgroundColor: `hsl(${hue} 38% 34%)` }} aria-hidden="true">
      {initials.toUpperCase()}
    </span>
  );
}
