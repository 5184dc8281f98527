import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Envelope } from '@holdfast/protocol/views';
import { applyPatch } from '@holdfast/engine/data';
import type { Json } from '@holdfast/protocol';
import { expect, it } from 'vitest';
import type { Payload, Peer, WireFrame } from '../conversation/peer.ts';
import { everything, world } from '../conversation/world.ts';
import { wireCapture } from './wire-capture.ts';

type Step = { readonly dir: 'in' | 'out'; readonly event: string; readonly payload: Payload };
type Golden = {
  readonly scenario: string;
  readonly frames: readonly Step[];
  readonly expected_state: Json;
};

const folder = fileURLToPath(new URL('../../../protocol/test/vectors/views/', import.meta.url));
const goldens = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name): Golden => JSON.parse(readFileSync(`${folder}${name}`, 'utf8')));

for (const golden of goldens) {
  it(`V90 a client of Musubi has the recorded conversation: ${golden.scenario}`, async () => {
    const { connect } = await world({
      app: wireCapture,
      authenticate: async () => ({ ...everything, user: 'connect-user' }),
    });
    const peer = await connect({ mount: '/socket/websocket', device: null, capver: null });
    await play(peer, golden);
  });
}

async function play(peer: Peer, { frames, expected_state: expected }: Golden): Promise<void> {
  let [topic, joinRef] = ['', ''];
  let unanswered: string[] = [];
  const refs = new Map<string, string>();
  // The recordings leave out how a channel that was left is closed.
  const isMeant = (frame: WireFrame): boolean => frame[2] === topic && frame[3] !== 'phx_close';
  const trees: Trees = { ours: null, theirs: null };
  for (const { dir, event, payload } of frames) {
    if (dir === 'out') {
      const ref = peer.ref();
      if (event === 'phx_join') {
        joinRef = ref;
        topic = `musubi:connection:${String(payload['module'])}:${String(payload['id'])}`;
      }
      unanswered.push(ref);
      peer.send([joinRef, ref, topic, event, renamed(payload, refs)]);
      continue;
    }
    const [, ref, from, heard, body] = await peer.until(isMeant);
    expect(from).toBe(topic);
    expect([heard, body]).toMatchObject([event, {}]);
    if (event === 'patch') {
      compare(learned(body, payload, refs), payload as Envelope, trees);
    } else {
      if (event === 'phx_reply') unanswered = unanswered.filter((each) => each !== ref);
      expect(masked(learned(body, payload, refs))).toEqual(masked(payload));
    }
  }
  expect(unanswered).toEqual([]);
  expect(trees.ours).toEqual(expected);
}

type Trees = { ours: Json; theirs: Json };

/** The order of `ops` is free, of all else it counts. */
function compare(ours: Payload, theirs: Envelope, trees: Trees): void {
  const { ops, ...rest } = ours as Envelope;
  const { ops: expected, ...others } = theirs;
  expect(rest).toEqual(others);
  expect(ops.length > 0).toBe(expected.length > 0);
  trees.ours = applyPatch(trees.ours, ops) ?? null;
  trees.theirs = applyPatch(trees.theirs, expected) ?? null;
  expect(trees.ours).toEqual(trees.theirs);
}

/** What they call `u_0001` we call otherwise: the first time it is learned, then it must stay. */
function learned(ours: Payload, theirs: Payload, refs: Map<string, string>): Payload {
  learn(ours, theirs, refs);
  let text = JSON.stringify(ours);
  for (const [their, our] of refs) text = text.replaceAll(`"${our}"`, `"${their}"`);
  return JSON.parse(text) as Payload;
}

function learn(ours: unknown, theirs: unknown, refs: Map<string, string>): void {
  if (typeof theirs === 'string' && /^u_\d+$/.test(theirs) && typeof ours === 'string') {
    if (!refs.has(theirs)) refs.set(theirs, ours);
  } else if (isRecord(ours) && isRecord(theirs)) {
    for (const [key, value] of Object.entries(theirs)) learn(ours[key], value, refs);
  }
}

function renamed(payload: Payload, refs: Map<string, string>): Payload {
  let text = JSON.stringify(payload);
  for (const [their, our] of refs) text = text.replaceAll(`"${their}"`, `"${our}"`);
  return JSON.parse(text) as Payload;
}

/** Tokens and opaque ids are anything. */
function masked(payload: Payload): unknown {
  return JSON.parse(
    JSON.stringify(payload, (key, value: unknown) => (key === 'token' ? 'any' : value)),
  );
}

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null;
}
