import { memoryBus } from '@holdfast/server/bus';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import type { Knock, Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { type World, world } from '../conversation/world.ts';
import { LossyPort } from './lossy-bus.ts';
import { attend, present, room } from './peers.ts';

type Node = { readonly home: World; readonly port: LossyPort };

/** Two servers on one storage, one clock and one bus. */
async function cluster(): Promise<{ clock: VirtualClock; nodes: readonly [Node, Node] }> {
  const clock = new VirtualClock();
  const bus = memoryBus();
  // The first server to close would close it for both.
  const storage = Object.assign(memory(), { close: () => Promise.resolve() });
  const node = async (): Promise<Node> => {
    const port = new LossyPort(bus);
    const authenticate = principals({ ann: {}, bob: {}, eve: {} });
    return { port, home: await world({ bus: port, storage, clock, authenticate }) };
  };
  return { clock, nodes: [await node(), await node()] };
}

const at = ({ home }: Node, token: string, knock: Knock = {}): Promise<Peer> =>
  home.connect({ ...knock, token });

/** Lets time pass until a peer sees this. */
async function sees(clock: VirtualClock, peer: Peer, who: readonly string[]): Promise<void> {
  await expect
    .poll(async () => {
      await clock.pass(50);
      return present(peer.heard);
    })
    .toEqual(who);
}

test('S85 peers of two nodes see each other: who was there, who comes, changes and goes', async () => {
  const { clock, nodes } = await cluster();
  const [one, two] = nodes;
  await attend(await at(one, 'bob'), { peer: 'p', state: { n: 1 } });
  const ann = await at(two, 'ann');
  await attend(ann);
  await sees(clock, ann, ['bob/p {"n":1}']);
  const eve = await at(one, 'eve');
  await attend(eve, { peer: 'p', state: {} });
  await sees(clock, ann, ['bob/p {"n":1}', 'eve/p {}']);
  await eve.ask(room, 'presence_track', { state: { changed: true } });
  await sees(clock, ann, ['bob/p {"n":1}', 'eve/p {"changed":true}']);
  await eve.ask(room, 'phx_leave', {});
  await sees(clock, ann, ['bob/p {"n":1}']);
});

test('S85 a leave that reaches the other node before its join leaves no ghost', async () => {
  const { clock, nodes } = await cluster();
  const [one, two] = nodes;
  await attend(await at(one, 'eve'), { peer: 'p', state: {} });
  const ann = await at(two, 'ann');
  await attend(ann);
  await sees(clock, ann, ['eve/p {}']);
  one.port.hold();
  const bob = await at(one, 'bob');
  await attend(bob, { peer: 'p', state: {} });
  await clock.pass(100);
  await bob.ask(room, 'phx_leave', {});
  await clock.pass(100);
  expect(one.port.release()).toBe(2);
  await clock.pass(3000);
  await sees(clock, ann, ['eve/p {}']);
});

test('S85 what the bus loses is known at the next beat', async () => {
  const { clock, nodes } = await cluster();
  const [one, two] = nodes;
  const ann = await at(two, 'ann');
  await attend(ann);
  one.port.loses = (topic) => topic.startsWith('presence');
  await attend(await at(one, 'bob'), { peer: 'p', state: {} });
  await clock.pass(100);
  one.port.loses = () => false;
  expect(present(ann.heard)).toEqual([]);
  await clock.pass(10_000);
  await sees(clock, ann, ['bob/p {}']);
});

test('S85 the metas of a killed node leave within 30 s, and not before', async () => {
  const { clock, nodes } = await cluster();
  const [one, two] = nodes;
  const ann = await at(two, 'ann');
  await attend(ann);
  await attend(await at(one, 'bob'), { peer: 'p', state: {} });
  await sees(clock, ann, ['bob/p {}']);
  one.port.cut();
  await clock.pass(15_000);
  expect(present(ann.heard)).toEqual(['bob/p {}']);
  await clock.pass(15_000);
  await sees(clock, ann, []);
});

test('S85 who comes back by the other node is an update there, also when the first one shuts down', async () => {
  const { clock, nodes } = await cluster();
  const [one, two] = nodes;
  const ann = await at(two, 'ann');
  await attend(ann);
  const [bob, eve] = [await at(one, 'bob'), await at(one, 'eve')];
  await attend(bob, { peer: 'p', state: { n: 1 } });
  await clock.pass(100);
  await attend(eve, { peer: 'p', state: {} });
  await sees(clock, ann, ['bob/p {"n":1}', 'eve/p {}']);
  await one.home.server.close({ retryAfterMs: 0 });
  await clock.pass(1000);
  expect(present(ann.heard)).toEqual(['bob/p {"n":1}', 'eve/p {}']);
  await attend(await at(two, 'bob'), { peer: 'p', state: { n: 2 } });
  await sees(clock, ann, ['bob/p {"n":2}', 'eve/p {}']);
  const diff = ann.heard.at(-1)?.[4];
  expect(diff).toHaveProperty('joins.bob.metas.0.phx_ref_prev');
  await clock.pass(5000);
  await sees(clock, ann, ['bob/p {"n":2}']);
});
