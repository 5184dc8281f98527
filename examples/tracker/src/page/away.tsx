import type { ReactNode } from 'react';
import { useClient, useConnectionStatus } from './holdfast.ts';

/** Says that the server cannot be reached, if that lasts, or lets this page in no more. */
export function Away(): ReactNode {
  const client = useClient();
  const { connection, error } = useConnectionStatus();
  const isStranger = error?.code === 'unauthorized';
  const isAway = !isStranger && connection !== 'connected' && connection !== 'connecting';
  return (
    <div className="away" role="status">
      {isStranger && (
        <p>
          You are signed out. <button onClick={() => location.reload()}>Sign in</button>
        </p>
      )}
      {isAway && (
        <p>
          Connecting again … What you do is sent as soon as that has worked.{' '}
          <button onClick={() => void client.connect()}>Try now</button>
        </p>
      )}
    </div>
  );
}
