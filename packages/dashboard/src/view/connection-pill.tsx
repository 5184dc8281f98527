import { useClient, useConnectionStatus } from '@holdfast/react';
import type { ReactNode } from 'react';

/** How the connection is doing, in a word; with a way to hurry it. */
export function ConnectionPill(): ReactNode {
  const client = useClient();
  const { connection, attempts, error } = useConnectionStatus();
  const label = error?.code === 'unauthorized' ? 'not accepted' : connection;
  const isAway = connection !== 'connected' && connection !== 'connecting';
  return (
    <div className="connection">
      {isAway && (
        <button type="button" className="quiet" onClick={() => void client.connect()}>
          Try now
        </button>
      )}
      <span className="pill" data-state={connection} data-testid="connection">
        {label}
        {connection === 'reconnecting' && attempts > 0 && (
          <span className="attempts" aria-hidden="true">
            {' '}
            · {attempts}
          </span>
        )}
      </span>
      <span className="unseen" role="status">
        Connection: {label}
      </span>
    </div>
  );
}
