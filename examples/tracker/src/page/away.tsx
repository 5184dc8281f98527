import type { ReactNode } from 'react';
import { useClient, useConnectionStatus } from './holdfast.ts';

/** Says that the server cannot be reached, if that lasts. */
export function Away(): ReactNode {
  const client = useClient();
  const { connection } = useConnectionStatus();
  const isAway = connection !== 'connected' && connection !== 'connecting';
  return (
    <div className="away" role="status">
      {isAway && (
        <p>
          Connecting again … What you do is sent as soon as that has worked.{' '}
          <button onClick={() => void client.connect()}>Try now</button>
        </p>
      )}
    </div>
  );
}
