import { useSignal } from '@holdfast/react';
import { type ReactNode, useState } from 'react';
import type { Notice } from '../model/session.ts';
import type { Readable } from '../model/signal.ts';
import { focusShown } from './keyboard.ts';

/**
 * What has to be said once, and is read aloud. It is what did not work, and the page shows no other trace of that: so it stays
 * until somebody has read it.
 */
export function Notices({ notice }: { readonly notice: Readable<Notice | null> }): ReactNode {
  const latest = useSignal(notice);
  const [dismissed, setDismissed] = useState(0);
  const id = latest?.id ?? 0;
  return (
    <div className="notices" role="status">
      {latest !== null && latest.id > dismissed && (
        <p key={latest.id}>
          {latest.text}
          <button
            type="button"
            className="quiet"
            onClick={() => {
              setDismissed(id);
              // The button goes, and the focus would be nowhere.
              focusShown();
            }}
          >
            Dismiss
          </button>
        </p>
      )}
    </div>
  );
}
