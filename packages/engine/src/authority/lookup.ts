import { type DeviceId, isRefusal, type OpId } from '@holdfast/protocol';
import { type Clients, clientOf, counterIn, raise } from './clients.ts';
import type { Answer } from './types.ts';
import { keyOf, type Work } from './work.ts';

/** What must be read before requests can be told from repeats (stores.md §6.3). */
export type Asked = {
  readonly ids: { readonly deviceId: DeviceId; readonly opId: OpId }[];
  readonly clients: Set<string>;
};

/**
 * Finds out which requests may be repeats of committed ones. An id above the highest committed counter of its client is
 * new; null if all are.
 */
export function ask(works: readonly Work[], clients: Clients): Asked | null {
  let asked: Asked | null = null;
  for (const work of works) {
    identify(work, clients);
    const { client, counter, submission } = work;
    if (client !== null && client.high !== null && counter > client.high) continue;
    asked ??= { ids: [], clients: new Set() };
    asked.ids.push({ deviceId: submission.deviceId, opId: submission.opId });
    if (client !== null && client.high === null) asked.clients.add(client.name);
  }
  return asked;
}

/** Hands the records that were found to their requests. */
export function hand(works: readonly Work[], answers: readonly Answer[]): void {
  if (answers.length === 0) return;
  const found = new Map<string, Answer[]>();
  for (const answer of answers) {
    const known = found.get(keyOf(answer));
    if (known === undefined) found.set(keyOf(answer), [answer]);
    else known.push(answer);
  }
  for (const work of works) work.records = found.get(work.key) ?? [];
}

/** What is committed is known not to be new any more. */
export function noteCommitted(works: readonly Work[], clients: Clients): void {
  for (const { client, counter, outcome, submission } of works) {
    if (client === null || isRefusal(outcome)) continue;
    raise(client, counter);
    // Forgotten meanwhile, it may have been met anew, by what was read before this was committed.
    if (client.high === null) clients.follow(submission.opId);
  }
}

/** Whose request it is; the client that spoke last on the channel usually speaks again. */
function identify(work: Work, clients: Clients): void {
  const { channel, submission } = work;
  const { opId } = submission;
  const last = channel.client;
  const counter = last === null || last.high === null ? null : counterIn(last, opId);
  if (counter !== null) {
    work.client = last;
    work.counter = counter;
    return;
  }
  const id = clientOf(opId);
  if (id === null) return;
  work.client = clients.meet(id.client);
  work.counter = id.counter;
  channel.client = work.client;
}
