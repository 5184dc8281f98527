import type { Entry, Path, Seq } from '@holdfast/protocol';
import { stateEvent } from './legacy.ts';
import type { ChannelPort, ChannelTerms, JoinPlan } from './terms.ts';
import { frameJsonPayload } from './ops.ts';
import type { SocketRoom } from './room.ts';
import { nextTurn } from './turn.ts';
import { message } from './wire.ts';

const EVENTS_PER_TURN = 500;
const MARKERS_PER_READ = 1000;

type Sending = ChannelTerms & { readonly stopped: () => boolean };

/** Sends a chunked snapshot, a chunk a turn, no faster than the socket takes it (stores.md §10.3). */
export async function sendSnapshot(
  room: SocketRoom,
  port: ChannelPort,
  { plan, topic, codec, host, stopped }: Sending,
): Promise<void> {
  if (plan.snapshot?.kind !== 'chunked') return;
  const { source, next } = plan.snapshot;
  const push = (event: string, payload: object): void => {
    port.outbox.send(message(codec, [null, null, topic, event, payload]));
  };
  const { id, seq, entries } = source;
  push('snapshot_begin', { id, seq, incarnation: host.row.incarnation, entries, within: null });
  let index = next;
  for (let part = source.chunk(index); part !== null && !stopped(); part = source.chunk(index)) {
    if (codec.binary) push('snapshot_chunk', part.payload);
    else port.outbox.send(frameJsonPayload(topic, 'snapshot_chunk', part.json()));
    index += 1;
    await nextTurn(room.clock, port.outbox);
  }
  if (!stopped()) push('snapshot_end', { id, seq, chunks: index, entries });
}

/** Sends the state as the events a capver-3 client knows (stores.md §9.4). */
export async function sendLegacySnapshot(
  room: SocketRoom,
  port: ChannelPort,
  { plan, topic, codec, host, stopped }: Sending,
): Promise<void> {
  const push = (event: string, payload: object): void => {
    port.outbox.send(message(codec, [null, null, topic, event, payload]));
  };
  if (plan.snapshot?.kind !== 'legacy') return;
  const { tree } = plan.snapshot;
  const facts: Fact[] = plan.last > 0 ? await clearings(room, host.row.id, plan) : [];
  for (const entry of tree.entries()) facts.push({ seq: entry.revision, path: entry.path, entry });
  // Stable: within a seq what was cleared comes first, then the leaves in path order.
  facts.sort((a, b) => a.seq - b.seq);
  if (stopped()) return;
  push('snapshot', { snapshot_seq: 0, entries: {} });
  for (let start = 0; start < facts.length && !stopped(); start += EVENTS_PER_TURN) {
    for (const fact of facts.slice(start, start + EVENTS_PER_TURN)) push('event', eventOf(fact));
    await nextTurn(room.clock, port.outbox);
  }
}

/** A leaf, or that a path was cleared. */
type Fact = { readonly seq: Seq; readonly path: Path; readonly entry: Entry | null };

/** What was cleared since the client was last here (stores.md §9.4.2). */
async function clearings(
  { storage }: SocketRoom,
  store: string,
  { last, cut }: Pick<JoinPlan, 'last' | 'cut'>,
): Promise<Fact[]> {
  const facts: Fact[] = [];
  for (let after = last; after < cut;) {
    const markers = await storage.markers(store, after, MARKERS_PER_READ);
    for (const { path, seq } of markers) if (seq <= cut) facts.push({ seq, path, entry: null });
    after = markers.length < MARKERS_PER_READ ? cut : (markers.at(-1)?.seq ?? cut);
  }
  return facts;
}

function eventOf({ seq, path, entry }: Fact): object {
  const origin = { deviceId: 'system:snapshot', clientOpId: `snapshot:${seq}:${path}` };
  return stateEvent(path, entry ?? { cleared: seq }, origin);
}
