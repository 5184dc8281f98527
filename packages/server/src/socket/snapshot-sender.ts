import { type Entry, type OpName, segmentsOf } from '@holdfast/protocol';
import type { ChannelPort, ChannelTerms } from './terms.ts';
import { frameJsonPayload } from './ops.ts';
import type { SocketRoom } from './room.ts';
import { message } from './wire.ts';

const EVENTS_PER_TURN = 500;
const MARKERS_MAX = 10_000;

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
    await nextTurn(room, port);
  }
  push('snapshot_end', { id, seq, chunks: index, entries });
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
  const markers =
    plan.last > 0 ? await room.storage.markers(host.row.id, plan.last, MARKERS_MAX) : [];
  const events: LegacyEvent[] = markers
    .filter((marker) => marker.seq <= plan.cut)
    .map((marker) => ({ seq: marker.seq, entry: null, path: marker.path }));
  for (const entry of tree.entries()) events.push({ seq: entry.revision, entry, path: entry.path });
  // Stable: within a seq the markers come first, then the leaves in path order.
  events.sort((a, b) => a.seq - b.seq);
  push('snapshot', { snapshot_seq: 0, entries: {} });
  for (let start = 0; start < events.length && !stopped(); start += EVENTS_PER_TURN) {
    for (const event of events.slice(start, start + EVENTS_PER_TURN)) {
      push('event', legacyEvent(event));
    }
    await nextTurn(room, port);
  }
}

type LegacyEvent = {
  readonly seq: number;
  readonly path: Entry['path'];
  readonly entry: Entry | null;
};

function legacyEvent({ seq, path, entry }: LegacyEvent): object {
  return {
    store_seq: seq,
    op: entry === null ? 'delete' : legacyOp(entry),
    path,
    path_segments: segmentsOf(path),
    value: entry?.value ?? null,
    device_id: 'system:snapshot',
    client_op_id: `snapshot:${seq}:${path}`,
  };
}

function legacyOp({ type }: Entry): OpName {
  if (type === 'counter') return 'increment';
  if (type === 'set') return 'add';
  if (type === 'file') return 'put_file';
  return type === 'lease' ? 'lease' : 'set';
}

async function nextTurn(room: SocketRoom, port: ChannelPort): Promise<void> {
  if (port.outbox.congested) await port.outbox.drained();
  else await new Promise<void>((resolve) => room.clock.setImmediate(resolve));
}
