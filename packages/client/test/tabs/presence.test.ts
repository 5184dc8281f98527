import type { JsonObject } from '@holdfast/client';
import { joinPresence, type Presence } from '@holdfast/client/presence';
import { presenceLimits } from '@holdfast/protocol/presence';
import { describe, expect, test } from 'vitest';
import { joinAsGuest } from '../../src/presence/share.ts';
import type { Guest } from '../../src/tabs/guest.ts';
import { openWorld } from '../world.ts';
import { opened, Profile } from './profile.ts';

const at = { store: 'acme/app', topic: 'rooms/1' };

/** One that hears nothing. */
const nobody: Guest = {
  peer: 'nobody',
  accept: () => undefined,
  refuse: () => undefined,
  push: () => undefined,
  shut: () => undefined,
  decline: () => undefined,
};

/** The names that peers show. */
function tabsIn({ peers }: Presence<JsonObject>): string {
  const names = Array.from(peers.get().values(), ({ value }) => JSON.stringify(value['tab']));
  return names.toSorted((one, other) => one.localeCompare(other)).join(' ');
}

describe('tabs', () => {
  test.each(['constructor', '__proto__'])(
    'show each other whoever is there, be it somebody who is called %s (S85, P54)',
    async (subject) => {
      const who = { subject, orgs: ['acme'], scopes: ['entries:read', 'entries:write'] } as const;
      await using world = await openWorld(async () => who);
      const profile = new Profile(world);
      const [a, b] = [await profile.open(), await profile.open()];
      const [inA, other] = [a.client, world.client()].map((each) => joinPresence(each, at));
      other?.set({ tab: 'o' });
      await expect.poll(() => inA && tabsIn(inA)).toBe('"o"');
      const inB = joinPresence(b.client, at);
      inB.set({ tab: 'b' });
      await expect.poll(() => inA && [inA, inB].map(tabsIn)).toEqual(Array(2).fill('"b" "o"'));
      expect(opened(a, b)).toEqual([1, 0]);
    },
  );

  test('share the connection for presence too, each of them a peer of its own (S85, P54)', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const [a, b, c] = [await profile.open(), await profile.open(), await profile.open()];
    const watcher = joinPresence(world.client(), at);
    // The one that leads looks on at first.
    const [inB, inC] = [joinPresence(b.client, at), joinPresence(c.client, at)];
    inB.set({ tab: 'b' });
    inC.set({ tab: 'c' });
    await expect.poll(() => [watcher, inB, inC].map(tabsIn)).toEqual(Array(3).fill('"b" "c"'));
    const inA = joinPresence(a.client, at);
    inA.set({ tab: 'a' });
    inB.set({ tab: 'b2' });
    await expect
      .poll(() => [watcher, inA, inB, inC].map(tabsIn))
      .toEqual(Array(4).fill('"a" "b2" "c"'));
    expect(opened(a, b, c)).toEqual([1, 0, 0]);
    // What cannot be shown is told to who wanted it.
    inC.set({ tab: 'c'.repeat(5000) });
    await expect.poll(() => inC.status.get().error?.code).toBe('value_too_large');
    inC.clear();
    inA.leave();
    await expect.poll(() => [watcher, inB, inC].map(tabsIn)).toEqual(Array(3).fill('"b2"'));
    // Whoever is shown through the one that goes is shown through the next, and nobody sees a difference.
    const { leaves } = watcher.stats();
    await a.client.close();
    inC.set({ tab: 'c2' });
    await expect.poll(() => [watcher, inB].map(tabsIn)).toEqual(Array(2).fill('"b2" "c2"'));
    expect(watcher.stats().leaves).toBe(leaves);
    expect(opened(a, b, c).reduce((sum, count) => sum + count)).toBe(2);
  });

  test('that have shown others on a topic leave no timer running when they close (P35)', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const running = new Set<unknown>();
    const env = {
      setTimeout: (run: () => void, ms: number): unknown => {
        const timer = setTimeout(() => {
          running.delete(timer);
          run();
        }, ms);
        running.add(timer);
        return timer;
      },
      clearTimeout: (timer: unknown): void => {
        running.delete(timer);
        clearTimeout(Number(timer));
      },
    };
    const [a, b] = [await profile.open({ env }), await profile.open()];
    const [inA, inB] = [joinPresence(a.client, at), joinPresence(b.client, at)];
    inB.set({ tab: 'b' });
    await expect.poll(() => tabsIn(inA)).toBe('"b"');
    // It may come back: for a while it is not taken for gone.
    await b.client.close();
    expect(tabsIn(inA)).toBe('"b"');
    await a.client.close();
    await expect.poll(() => running.size).toBe(0);
  });

  test('that may not take part are told so, each of them, though another has just been closed as it asked (S85, P54)', async () => {
    const who = {
      subject: 'u',
      orgs: ['acme'],
      scopes: ['entries:read'],
      presence: false,
    } as const;
    await using world = await openWorld(async () => who);
    const profile = new Profile(world);
    const a = await profile.open();
    const inA = joinPresence(a.client, at);
    const refused = { state: 'joining', error: { code: 'presence_not_allowed' } };
    await expect.poll(() => inA.status.get()).toMatchObject(refused);
    const first = inA.status.get();
    a.valve.holdIn();
    const asked = a.valve.sent.length;
    const b = profile.sit();
    joinPresence(b.client, at).set({ tab: 'b' });
    await expect.poll(() => a.valve.sent.length).toBeGreaterThan(asked);
    await b.client.close();
    const c = await profile.open();
    a.valve.letIn();
    await expect.poll(() => inA.status.get()).not.toBe(first);
    const inC = joinPresence(c.client, at);
    await expect.poll(() => inC.status.get()).toMatchObject(refused);
    expect(opened(a, b, c)).toEqual([1, 0, 0]);
  });

  test('show what they do, though what the one that leads shows is not taken (S85, P54)', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const [a, b] = [await profile.open(), await profile.open()];
    const [watcher, inA, inB] = [world.client(), a.client, b.client].map((each) =>
      joinPresence(each, at),
    );
    inA?.set({ tab: 'a'.repeat(5000) });
    inB?.set({ tab: 'b' });
    await expect.poll(() => watcher && tabsIn(watcher)).toBe('"b"');
    // Both join again, and only then the server refuses what the first shows.
    const late: string[] = [];
    a.valve.loses = (data) => {
      const isOfTopic = typeof data === 'string' && data.includes('"presence:');
      if (isOfTopic) late.push(data);
      return isOfTopic;
    };
    a.valve.cut();
    await expect.poll(() => late.length).toBe(1);
    await expect.poll(() => b.client.status.get().isSynced).toBe(true);
    a.valve.loses = () => false;
    a.valve.forge(late[0] ?? '');
    await expect.poll(() => inA?.status.get().state).toBe('joined');
    await expect.poll(() => inB?.status.get()).toEqual({ state: 'joined' });
    expect(watcher && tabsIn(watcher)).toBe('"b"');
  });

  test('say so where the server takes nobody else whom the leading one shows, and look on without (S85, P54)', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const [a, watcher] = [await profile.open(), joinPresence(world.client(), at)];
    for (let count = 0; count < presenceLimits.guests; count++) {
      joinAsGuest(a.client, `presence:${at.store}:${at.topic}`, {
        guest: { ...nobody },
        payload: { peer: `tab ${count}`, state: { tab: 'one of many' } },
      });
    }
    await expect.poll(() => watcher.peers.get().size).toBe(presenceLimits.guests);
    const b = profile.sit();
    const inB = joinPresence(b.client, at);
    // Before the join is sent, so that it goes with it.
    inB.set({ tab: 'b' });
    const refused = { state: 'joined', error: { code: 'limit_exceeded' } };
    await expect.poll(() => inB.status.get()).toMatchObject(refused);
    joinPresence(world.client(), at).set({ tab: 'o' });
    await expect.poll(() => tabsIn(inB)).toContain('"o"');
    expect(tabsIn(watcher)).not.toContain('"b"');
    expect(opened(a, b)).toEqual([1, 0]);
  });
});
