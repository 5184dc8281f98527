import type { Client } from '@holdfast/client';
import type { ReactNode } from 'react';
import { useSignal } from './signals.ts';

/** How the connection is doing, in a word; with a way to hurry it. */
export function ConnectionPill({ client }: { readonly client: Client }): ReactNode {
  const { connection, attempts, error } = useSignal(client.status);
  const label = error?.code === 'unauthorized' ? 'not accepted' : connection;
  const isAway = connection !== 'connected' && connection !== 'connecting';
  return (
    <div className="connection">
      {isAway && (
        <button type="button" className="quiet" onClick={() => client.connect()}>
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
