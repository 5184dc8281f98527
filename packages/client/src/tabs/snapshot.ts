import type { ReplicaImage } from '@holdfast/engine/replica';
import { entryTuple, type EntryTuple } from '@holdfast/protocol';

/** One message to any number of channels of a topic, of which each tab gets the same text. */
export type Message = { readonly event: string; readonly payload: unknown };

const chunkEntries = 500;

/** A state as the messages that bring it (stores.md §10.3). */
export function* snapshotOf(
  { seq, incarnation, entries, maps }: ReplicaImage,
  id: string,
): Iterable<Message> {
  const tuples: EntryTuple[] = [];
  for (const entry of entries) tuples.push(entryTuple(entry));
  const count = tuples.length;
  yield {
    event: 'snapshot_begin',
    payload: { id, seq, incarnation, entries: count, within: null },
  };
  let index = 0;
  for (; index * chunkEntries < count; index++) {
    const part = tuples.slice(index * chunkEntries, (index + 1) * chunkEntries);
    yield { event: 'snapshot_chunk', payload: { id, index, entries: part, maps: [] } };
  }
  yield { event: 'snapshot_chunk', payload: { id, index, entries: [], maps: [...maps] } };
  yield { event: 'snapshot_end', payload: { id, seq, chunks: index + 1, entries: count } };
}
