import type { OutboxEntry } from '@holdfast/client';
import { type ReactNode, useSyncExternalStore } from 'react';
import { disclose } from '../model/disclose.ts';
import type { Session } from '../model/session.ts';
import { shortValue } from '../model/value.ts';
import type { Workspace } from '../model/workspace.ts';
import { focusPanel } from './keyboard.ts';

type Props = { readonly session: Session; readonly workspace: Workspace };

const WRITES_MAX = 100;

/** The own writes that are not decided yet. */
export function OutboxPanel({ session, workspace }: Props): ReactNode {
  const { outbox } = workspace.store;
  const writes = useSyncExternalStore(
    (listener) => outbox.subscribe(listener),
    () => outbox.list(),
  );
  const discard = (opId: string): void => {
    if (!outbox.discard(opId)) session.tell('It is on its way already and cannot be taken back.');
    // The button goes with the write, and the focus would be nowhere.
    else focusPanel('outbox');
  };
  return (
    <section className="panel panel-outbox" aria-label="Outbox" tabIndex={-1}>
      <div className="bar">
        <h2>Outbox</h2>
        <span className="hint" role="status" data-testid="outbox">
          {writes.length === 0 ? 'everything is committed' : `${writes.length} pending`}
        </span>
      </div>
      <ul
        className="scroll writes"
        tabIndex={writes.length > 0 ? 0 : -1}
        aria-label="Pending writes"
      >
        {writes.slice(0, WRITES_MAX).map((write) => (
          <li key={write.opId}>
            <span className="op">{write.request.op}</span>
            <span className="path">{subjectOf(write)}</span>
            <span className="hint">{stateOf(write)}</span>
            <span className="spring" />
            <button
              type="button"
              disabled={write.state !== 'waiting'}
              onClick={() => outbox.retry(write.opId)}
            >
              Retry
            </button>
            <button
              type="button"
              disabled={write.state === 'sent' || write.state === 'answered'}
              onClick={() => discard(write.opId)}
            >
              Discard
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function subjectOf({ request }: OutboxEntry): string {
  if (request.op === 'transact') {
    return `${request.ops.length} op${request.ops.length === 1 ? '' : 's'}`;
  }
  if (!('value' in request)) return disclose(request.path);
  const sign = request.op === 'set' ? ' = ' : ' ';
  return disclose(request.path) + sign + shortValue(request.value, 60);
}

function stateOf({ state, reason, attempts }: OutboxEntry): string {
  switch (state) {
    case 'queued':
      return attempts === 0 ? 'waits for the connection' : 'will be sent again';
    case 'sent':
      return 'sent';
    case 'waiting':
      return `refused for now: ${reason ?? 'no reason given'}`;
    case 'answered':
      return 'committed';
  }
}
