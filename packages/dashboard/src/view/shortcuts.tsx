import type { ReactNode } from 'react';
import { Dialog } from './dialog.tsx';

const keys: readonly (readonly [string, string])[] = [
  ['↑ ↓', 'Previous, next line'],
  ['← →', 'Close or go up, open or go in'],
  ['Home End', 'First, last line'],
  ['Enter', 'Edit the value; open or close a map; in the log, show the path'],
  ['Ctrl+Enter', 'Save; a plain Enter does where the value is one line'],
  ['Escape', 'Give the edit up'],
  ['+', 'Add below the selected map'],
  ['Delete', 'Delete the selected path'],
  ['/', 'Filter by path'],
  ['?', 'These keys'],
];

/** The keys of the console. */
export function Shortcuts({ onClose }: { readonly onClose: () => void }): ReactNode {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className="keys">
        {keys.map(([key, meaning]) => (
          <div key={key}>
            <dt>
              {key.split(' ').map((each) => (
                <kbd key={each}>{each}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <div className="actions">
        <button type="button" autoFocus onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
