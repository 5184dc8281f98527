import type { Knock, Payload, Peer, Reply, WireFrame } from './peer.ts';
import { topic, type World } from './world.ts';

/** Every way to speak to a store: dialect and format. */
export const tongues: readonly (readonly [string, Knock])[] = [
  ['capver 3 in JSON', { capver: '3', vsn: '2.0.0' }],
  ['capver 3 in MessagePack', { capver: '3', vsn: '3.0.0' }],
  ['capver 4 in JSON', { capver: '4', vsn: '2.0.0' }],
  ['capver 4 in MessagePack', { capver: '4', vsn: '3.0.0' }],
];

/** The two dialects, in JSON. */
export const dialects: readonly (readonly [string, Knock])[] = [
  ['capver 3', { capver: '3' }],
  ['capver 4', { capver: '4' }],
];

/** One op as a peer hears it, whatever the dialect. */
export type HeardOp = {
  readonly seq: number;
  readonly op: string;
  readonly path: string;
  readonly value: unknown;
  readonly device: string;
  readonly id: string;
};

let lastId = 0;

/** The payload of a write with an op id that was not used before. */
export function ask(op: string, path: string, more: object = {}): Payload {
  lastId += 1;
  return { op, path, client_op_id: `op-${lastId}`, ...more };
}

/** Pushes a write with a new op id and waits for its reply. */
export function write(peer: Peer, op: string, path: string, more: object = {}): Promise<Reply> {
  return peer.ask(topic, 'write', ask(op, path, more));
}

/** Resolves when everything that the peer has sent has reached the server: it has answered something sent after it. */
export async function arrived(peer: Peer): Promise<void> {
  const ref = peer.ref();
  peer.send([null, ref, 'phoenix', 'heartbeat', {}]);
  await peer.reply(ref);
}

/** A `set` that must succeed; returns its seq. */
export async function put(peer: Peer, path: string, value: unknown): Promise<number> {
  return seqOf(await write(peer, 'set', path, { value }));
}

/** The seq of a reply that must be ok. */
export function seqOf({ status, response }: Reply): number {
  if (status !== 'ok') throw new Error(`refused: ${JSON.stringify(response)}`);
  return Number(response['store_seq']);
}

/** What a reply refuses for. */
export function reasonOf({ status, response }: Reply): unknown {
  if (status !== 'error') throw new Error(`accepted: ${JSON.stringify(response)}`);
  return response['reason'];
}

/** The ops in frames, in order: of `event` and of `events`. */
export function opsIn(frames: readonly WireFrame[]): HeardOp[] {
  return frames.flatMap(([, , , event, payload]) => {
    if (event === 'event') return [legacyOp(payload)];
    return event === 'events' ? (payload['ops'] as OpTuple[]).map(tupleOp) : [];
  });
}

/** The frames that come until this peer has heard the op of a seq, that one included. */
export async function hear(peer: Peer, seq: number): Promise<HeardOp[]> {
  const frames: WireFrame[] = [];
  for (;;) {
    frames.push(await peer.next());
    const ops = opsIn(frames);
    if ((ops.at(-1)?.seq ?? 0) >= seq) return ops;
  }
}

/** Everything ever logged, as a newly joined capver-3 peer hears it. */
export async function logOf(world: World): Promise<HeardOp[]> {
  const peer = await world.connect({ capver: '3', device: 'log-reader' });
  await peer.join(topic);
  const frames = await peer.caughtUp();
  peer.close();
  return opsIn(frames);
}

/** A log without its bookkeeping, short enough to compare. */
export function brief(ops: readonly HeardOp[]): (readonly [number, string, string, unknown])[] {
  return ops.map(({ seq, op, path, value }) => [seq, op, path, value]);
}

type OpTuple = readonly [number, string, string, unknown, string, string];

function tupleOp([seq, op, path, value, device, id]: OpTuple): HeardOp {
  return { seq, op, path, value, device, id };
}

function legacyOp(payload: Payload): HeardOp {
  return {
    seq: Number(payload['store_seq']),
    op: String(payload['op']),
    path: String(payload['path']),
    value: payload['value'],
    device: String(payload['device_id']),
    id: String(payload['client_op_id']),
  };
}
