import type { LoggedOp } from '@holdfast/engine/authority';
import { project, Scope, typeOfOp } from '@holdfast/engine/data';
import { isRefusal, type Limits, parseGlob, type Seq, type StoreName } from '@holdfast/protocol';

import type { WebhookRow } from '../storage/port.ts';

/** Something to be delivered; the cursor moves to its seq when it is. */
export type Message = { readonly seq: Seq; readonly body: object };

/** Finds what a webhook wants to hear of. */
export type Filter = (op: LoggedOp) => Message | null;

/** What of a store's log goes to a webhook: its ops, projected to its patterns (stores.md §17.2). */
export function filterOf({ patterns, ops }: WebhookRow, store: StoreName, limits: Limits): Filter {
  const scope = new Scope(
    patterns.flatMap((text) => {
      const pattern = parseGlob(text, limits);
      return isRefusal(pattern) ? [] : [pattern];
    }),
  );
  const wanted = ops === null ? null : new Set(ops);
  return (op) => {
    const seen = project(op, scope);
    if (seen === null || wanted?.has(seen.op) === false) return null;
    return { seq: seen.seq, body: changed(seen, store) };
  };
}

function changed(op: Omit<LoggedOp, 'removed'>, store: StoreName): object {
  return {
    event: 'entry.changed',
    store,
    store_seq: op.seq,
    op: op.op,
    path: op.path,
    value: op.value,
    type: typeOfOp(op.op, op.value),
    device_id: op.deviceId,
    tx: op.tx,
    timestamp: new Date(op.at).toISOString(),
  };
}

/** Ops that were forgotten before they were delivered (stores.md §17.5). */
export function gap(store: StoreName, from: Seq, to: Seq): Message {
  return { seq: to, body: { event: 'gap', store, from_seq: from, to_seq: to } };
}
