import { record } from '@holdfast/protocol';
import type { Principal } from '@holdfast/server';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { VirtualClock } from '../conversation/clock.ts';
import type { Peer, Reply } from '../conversation/peer.ts';
import { topic, world } from '../conversation/world.ts';
import { person } from './site.ts';

/** More than are looked at in one turn. */
const many = 501;

const Card = record({
  name: 'card',
  store: 'demo/main',
  path: 'cards/:id',
  version: '1.0',
  schema: z.object({ name: z.string() }),
});

/** A clock by which turns wait while it is held. */
class Held extends VirtualClock {
  held: (() => void)[] | null = null;

  override setImmediate(run: () => void): void {
    if (this.held === null) super.setImmediate(run);
    else this.held.push(run);
  }

  letGo(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const run of held) super.setImmediate(run);
  }
}

const authenticate = async (): Promise<Principal> => person('ada');

test('R254 of a client whose connection was lost before it was looked what it may have, nothing is known', async () => {
  const clock = new Held();
  let isWatched = false;
  const { server, connect, joined } = await world({ clock, authenticate });
  server.record(Card, {
    read: () => {
      if (isWatched) clock.held ??= [];
      return true;
    },
  });
  // It stays, so that there is much to look at.
  const first = await joined();
  const ids = Array.from({ length: many }, (_, at) => `c${at}`);
  const value = Object.fromEntries(ids.map((id) => [id, { name: 'Name' }]));
  await first.ask(topic, 'write', { op: 'set', path: 'cards', value, client_op_id: 'ada:1' });
  const back = async (scope: unknown): Promise<[Peer, Reply['response']]> => {
    const peer = await connect();
    const { response } = await peer.join(topic, { last_store_seq: 2, scope });
    return [peer, response];
  };
  const [, { scope = '' }] = await back(null);
  // An account that nobody has ever heard of, as after a restart.
  isWatched = true;
  const [lost, { scope: named, sync }] = await back(`${String(scope).split('~', 1).join('')}~x`);
  expect([sync, clock.held?.length]).toEqual(['tail', 1]);
  isWatched = false;
  lost.cut();
  const [peer] = await back(named);
  clock.letGo();
  await peer.caughtUp();
  await peer.ask(topic, 'scope', {});
  expect(peer.heard.some(([, , , event]) => event === 'snapshot_begin')).toBe(true);
});
