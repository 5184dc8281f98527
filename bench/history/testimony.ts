import type { Store, WatchEvent } from '@holdfast/client';
import type { OpId, Seq } from '@holdfast/protocol';
import { leavesOf } from '../../simulation/kill/reader.ts';
import { outcomeOf } from '../../simulation/kill/writer.ts';
import type { ClientHistory, MadeWrite, Problem } from '../../simulation/validators/history.ts';

/** What one client of a bench did and was told, and what was wrong with that in itself. */
export type Testimony = { readonly history: ClientHistory; readonly problems: readonly Problem[] };

/** Reads what a client has kept; called when the clock has stopped. */
export type Witness = () => Testimony;

/** Of a client that did nothing and was told nothing, but for what is given. */
export function testimonyOf(
  client: string,
  known: Partial<ClientHistory>,
  problems: readonly Problem[] = [],
): Testimony {
  const nothing = { made: [], watches: [], bookmarks: [], resumes: [], resyncs: [] };
  return { history: { client, ...nothing, ...known }, problems };
}

/** Events that a callback on a pattern was given, since a store was at seq 0. */
export type Watched = { readonly pattern: string; readonly events: readonly WatchEvent[] };

/** What a client of ours wrote and was told, and what its store shows now. */
export function storeTestimony(
  client: string,
  store: Store,
  kept: {
    readonly receipts?: readonly Parameters<typeof outcomeOf>[0][];
    readonly watched?: readonly Watched[];
  } = {},
): Testimony {
  const { seq } = store.status.get();
  const made = (kept.receipts ?? []).map((receipt): MadeWrite => ({
    opId: receipt.opId,
    isGuarded: false,
    outcome: outcomeOf(receipt),
  }));
  const watches = (kept.watched ?? []).map(({ pattern, events }) => {
    const watch = watchOf(client, pattern, { from: 0, through: seq });
    return Object.assign({}, watch, { isWhole: true, events });
  });
  return testimonyOf(client, {
    made,
    watches,
    bookmarks: [{ seq, entries: leavesOf(store) }],
  });
}

/** Every committed op that a pattern matches, and nothing of what was there before. */
export function watchOf(
  client: string,
  pattern: string,
  { from, through }: { readonly from: Seq; readonly through: Seq },
): Omit<ClientHistory['watches'][number], 'isWhole' | 'events'> {
  const name = `${client} watching ${pattern}`;
  return {
    name,
    pattern,
    mode: 'committed',
    policy: 'every',
    includeCurrent: false,
    from,
    through,
  };
}

/** Writes of a client that ended before it was told: where the log must hold as many, none of them is lost or doubled. */
export function leftWrites(client: string, opIds: readonly OpId[]): Witness {
  return () => {
    const made = opIds.map((opId) => ({ opId, isGuarded: false, outcome: 'unknown' }) as const);
    return testimonyOf(client, { made });
  };
}
