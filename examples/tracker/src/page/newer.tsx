import { type ReactNode, useSyncExternalStore } from 'react';

let isNewer = false;
const listeners = new Set<() => void>();

/** The server has data of a version that this page cannot read. */
export function tellSkew(): void {
  isNewer = true;
  for (const listen of listeners) listen();
}

function subscribe(listen: () => void): () => void {
  listeners.add(listen);
  return () => listeners.delete(listen);
}

/** Says so, and what to do. */
export function Newer(): ReactNode {
  const isShown = useSyncExternalStore(
    subscribe,
    () => isNewer,
    () => false,
  );
  return (
    <div role="status">
      {isShown && (
        <p className="notice">
          The tracker has a newer version; this page shows what it was before.{' '}
          <button onClick={() => location.reload()}>Reload</button>
        </p>
      )}
    </div>
  );
}
