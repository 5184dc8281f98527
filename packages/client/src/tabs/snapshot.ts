import {
  type Entry,
  entryTuple,
  type EntryTuple,
  type Glob,
  type Path,
  type Seq,
} from '@holdfast/protocol';

/** One message to any number of channels of a topic, of which each tab gets the same text. */
export type Message = { readonly event: string; readonly payload: unknown };

/** The leaves of a state and the revisions of its maps, as a snapshot has them. */
export type State = {
  readonly entries: Iterable<Entry>;
  readonly maps: Iterable<readonly [Path, Seq]>;
};

type Head = {
  readonly id: string;
  readonly seq: Seq;
  readonly incarnation: string | null;
  /** What of a replica it is to replace; null: all. */
  readonly within: readonly Glob[] | null;
};

const chunkEntries = 500;

/** A state as the messages that bring it (stores.md §10.3). */
export function* snapshotOf({ entries, maps }: State, head: Head): Iterable<Message> {
  const { id, seq, incarnation, within } = head;
  const tuples: EntryTuple[] = [];
  for (const entry of entries) tuples.push(entryTuple(entry));
  const count = tuples.length;
  yield {
    event: 'snapshot_begin',
    payload: { id, seq, incarnation, entries: count, within },
  };
  let index = 0;
  for (; index * chunkEntries < count; index++) {
    const part = tuples.slice(index * chunkEntries, (index + 1) * chunkEntries);
    yield { event: 'snapshot_chunk', payload: { id, index, entries: part, maps: [] } };
  }
  yield { event: 'snapshot_chunk', payload: { id, index, entries: [], maps: [...maps] } };
  yield { event: 'snapshot_end', payload: { id, seq, chunks: index + 1, entries: count } };
}
