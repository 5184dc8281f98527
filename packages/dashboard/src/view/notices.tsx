import { useSignal } from '@holdfast/react';
import { type ReactNode, useEffect, useState } from 'react';
import type { Notice } from '../model/session.ts';
import type { Readable } from '../model/signal.ts';
import { focusTree } from './keyboard.ts';

const SHOWN_MS = 8000;

/** What has to be said once: it covers nothing for long, and is read aloud. */
export function Notices({ notice }: { readonly notice: Readable<Notice | null> }): ReactNode {
  const latest = useSignal(notice);
  const [dismissed, setDismissed] = useState(0);
  const id = latest?.id ?? 0;
  useEffect(() => {
    const timer = setTimeout(() => setDismissed(id), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [id]);
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
              focusTree();
            }}
          >
            Dismiss
          </button>
        </p>
      )}
    </div>
  );
}
