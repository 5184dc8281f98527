import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  type Bookmark,
  type ClientHistory,
  isLive,
  type MadeWrite,
  type WatchHistory,
} from '../validators/history.ts';
import type { Testimony } from './verdict.ts';

/** Ways in which the end of an ordeal can be spoiled, each with the word that its verdict then says is broken. */
export const ordealMutants = {
  'an acknowledged write is elsewhere': 'once',
  'a subscriber is told less': 'reliable',
  'a subscriber is told twice': 'unique',
  'what a replica shows at a seq is another': 'bookmarkable',
  'what a replica shows in the end is another': 'converged',
  'the storage has lost an entry': 'converged',
  'the storage has lost a write': 'dense',
} as const;

/** One of {@link ordealMutants}. */
export type OrdealMutant = keyof typeof ordealMutants;

/** What is testified of an ordeal that is spoiled; of some, it is what the server has left behind. */
export function spoiled(mutant: OrdealMutant, directory: string, told: Testimony): Testimony {
  const { shown } = told;
  switch (mutant) {
    case 'an acknowledged write is elsewhere':
      return retold(told, ({ made }) => ({ made: made.map(moved) }));
    case 'a subscriber is told less':
      return retold(told, ({ watches }) => ({ watches: watches.map((each) => repeated(each, 0)) }));
    case 'a subscriber is told twice':
      return retold(told, ({ watches }) => ({ watches: watches.map((each) => repeated(each, 2)) }));
    case 'what a replica shows at a seq is another':
      return retold(told, ({ bookmarks }) => ({ bookmarks: bookmarks.map(lessOf) }));
    case 'what a replica shows in the end is another':
      return { ...told, shown: shown.map(([who, leaves]) => [who, leaves.slice(1)]) };
    case 'the storage has lost an entry':
      lose(directory, 'entries', 'path = (SELECT max(path) FROM entries)');
      return told;
    case 'the storage has lost a write':
      lose(directory, 'log', 'seq = (SELECT max(seq) - 1 FROM log)');
      return told;
  }
}

function retold(
  told: Testimony,
  change: (history: ClientHistory) => Partial<ClientHistory>,
): Testimony {
  return {
    ...told,
    histories: told.histories.map((each) => Object.assign({}, each, change(each))),
  };
}

function lessOf({ seq, entries }: Bookmark): Bookmark {
  return { seq, entries: entries.slice(1) };
}

function moved(write: MadeWrite): MadeWrite {
  const { outcome } = write;
  if (outcome === 'unknown' || 'refused' in outcome) return write;
  return { ...write, outcome: { committed: outcome.committed + 1 } };
}

/** The last event but one is told so many times. */
function repeated(watch: WatchHistory, times: number): WatchHistory {
  const at = watch.events.findLastIndex(isLive) - 1;
  const events = watch.events.flatMap((event, index) =>
    index === at ? Array.from({ length: times }, () => event) : [event],
  );
  return { ...watch, events };
}

function lose(directory: string, table: 'entries' | 'log', where: string): void {
  const database = new DatabaseSync(join(directory, 'holdfast.db'));
  database.exec(`DELETE FROM ${table} WHERE ${where}`);
  database.close();
}
