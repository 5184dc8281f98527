import {
  asPath,
  flatten,
  isPlainObject,
  type Json,
  jsonEquals,
  segmentsOf,
  setOwn,
} from '@holdfast/protocol';
import type { Knock, WireFrame } from './peer.ts';
import { type HeardOp, opsIn } from './talk.ts';
import { topic, type World } from './world.ts';

/** A leaf as a snapshot tells it. */
export type SeenLeaf = {
  readonly value: unknown;
  readonly type: string;
  readonly revision: number;
};
/** The state of a store: its leaves, and the revisions of maps that exceed those of their leaves. */
export type SeenState = {
  readonly leaves: Map<string, SeenLeaf>;
  readonly maps: Map<string, number>;
};

/** The state of the store as a new capver-4 replica receives it in a snapshot. */
export async function stateOf(world: World, knock: Knock = {}): Promise<SeenState> {
  const peer = await world.connect({ device: 'state-reader', ...knock });
  await peer.join(topic);
  const state = readSnapshot(await peer.caughtUp());
  peer.close();
  return state;
}

/** The values of the store by path. */
export async function valuesOf(world: World): Promise<{ [path: string]: unknown }> {
  const { leaves } = await stateOf(world);
  return Object.fromEntries([...leaves].map(([path, { value }]) => [path, value]));
}

/** The state as a capver-3 client holds it that only ever knew the synthetic snapshot. */
export async function legacyStateOf(
  world: World,
  knock: Knock = {},
): Promise<Map<string, unknown>> {
  const peer = await world.connect({ device: 'old-reader', ...knock, capver: '3' });
  // No such seq: the server starts over with a snapshot.
  await peer.join(topic, { last_store_seq: 1_000_000_000 });
  const frames = await peer.caughtUp();
  peer.close();
  if (frames[0]?.[3] !== 'snapshot') throw new Error('no snapshot came');
  const replica = new LegacyReplica();
  for (const op of opsIn(frames)) replica.apply(op);
  return replica.leaves;
}

/** A state read from the frames of a capver-4 join. */
export function readSnapshot(frames: readonly WireFrame[]): SeenState {
  const leaves = new Map<string, SeenLeaf>();
  const maps = new Map<string, number>();
  for (const [, , , event, payload] of frames) {
    if (event !== 'snapshot_chunk') continue;
    for (const [path, value, type, revision] of payload['entries'] as Entry[]) {
      leaves.set(path, { value, type, revision });
    }
    for (const [path, revision] of payload['maps'] as [string, number][]) maps.set(path, revision);
  }
  return { leaves, maps };
}

type Entry = readonly [string, unknown, string, number];

/** A cache that touches the exact path only when a value that is no map is set, as old clients do (stores.md §4.3.4). */
export class LegacyReplica {
  readonly leaves = new Map<string, unknown>();

  apply({ op, path, value }: Pick<HeardOp, 'op' | 'path' | 'value'>): void {
    if (op === 'delete' || op === 'release') this.#clear(path);
    else if (op === 'merge') this.#merge(path, value as Json);
    else if (op === 'set') this.#set(path, value as Json);
    else this.leaves.set(path, value);
  }

  #merge(path: string, value: Json): void {
    if (jsonEquals(value, {})) return;
    for (const [leaf, child] of flatten(asPath(path), value)) this.leaves.set(leaf, child);
  }

  #set(path: string, value: Json): void {
    if (isPlainObject(value)) this.#clear(path);
    for (const [leaf, child] of flatten(asPath(path), value)) this.leaves.set(leaf, child);
  }

  #clear(path: string): void {
    for (const leaf of this.leaves.keys()) {
      if (leaf === path || leaf.startsWith(`${path}/`)) this.leaves.delete(leaf);
    }
  }
}

/** The value at a path, put together from leaves; undefined if there is nothing. */
export function assemble(leaves: ReadonlyMap<string, unknown>, path: string): unknown {
  if (leaves.has(path)) return leaves.get(path);
  let whole: { [key: string]: unknown } | undefined;
  for (const [leaf, value] of leaves) {
    if (!leaf.startsWith(`${path}/`)) continue;
    whole ??= {};
    place(whole, segmentsOf(asPath(leaf.slice(path.length + 1))), value);
  }
  return whole;
}

function place(map: { [key: string]: unknown }, segments: readonly string[], value: unknown): void {
  const [first = '', ...rest] = segments;
  if (rest.length === 0) {
    setOwn(map, first, value);
    return;
  }
  if (!Object.hasOwn(map, first)) setOwn(map, first, {});
  place(map[first] as { [key: string]: unknown }, rest, value);
}
