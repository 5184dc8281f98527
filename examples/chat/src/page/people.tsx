import type { ReactNode } from 'react';
import { Avatar } from './avatar.tsx';

/** Who is in the room. */
export function People({ names }: { readonly names: readonly string[] }): ReactNode {
  return (
    <ul className="people" aria-label={`${names.length} here`}>
      {names.map((name) => (
        <li key={name} title={name}>
          <Avatar name={name} />
          <span className="unseen">{name}</span>
        </li>
      ))}
    </ul>
  );
}
