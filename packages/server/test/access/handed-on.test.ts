import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@holdfast/client';
import type { RateLimits } from '@holdfast/server';
import { expect, onTestFinished, test } from 'vitest';
import { principals } from '../conversation/principals.ts';
import { type World, world } from '../conversation/world.ts';
import { room } from '../presence/peers.ts';

const limits: Partial<RateLimits> = { writes_per_minute: 60, write_burst: 7 };
const authenticate = principals({ mute: { presence: false, limits }, ann: {} });

/** A new token of this bearer. */
async function made({ url }: World, bearer: string): Promise<string> {
  const response = await fetch(`${url}/api/tokens`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: 'new', read: true, write: true }),
  });
  const { raw_token: raw } = await response.json();
  return String(raw);
}

/** Whether it may take part in presence, and how many writes it may make at once. */
async function standing(home: World, token: string): Promise<readonly unknown[]> {
  const peer = await home.connect({ token });
  const reply = await peer.join(room, {});
  peer.cut();
  const written = await fetch(`${home.url}/api/stores/demo/main/entries/a`, {
    method: 'PUT',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: '1',
  });
  return [reply.status, written.headers.get('x-ratelimit-limit')];
}

test('who may not take part in presence, or has rates of its own, makes tokens of which the same is true, over a restart too', async () => {
  const data = await mkdtemp(join(tmpdir(), 'holdfast-handed-on-'));
  onTestFinished(() => rm(data, { recursive: true, force: true }));
  const home = await world({ data, authenticate, rates: {} });
  const mute = await made(home, 'mute');
  const ofMute = await made(home, mute);
  const free = await made(home, 'ann');
  expect(await standing(home, mute)).toEqual(['error', '7']);
  expect(await standing(home, ofMute)).toEqual(['error', '7']);
  expect(await standing(home, free)).toEqual(['ok', '1000']);
  await home.server.close();
  const again = await world({ data, authenticate, rates: {} });
  expect(await standing(again, ofMute)).toEqual(['error', '7']);
  expect(await standing(again, free)).toEqual(['ok', '1000']);
});

test('who ends later than milliseconds can be counted may join a store', async () => {
  const home = await world({ authenticate: principals({ ann: { expiresAt: 1e300 } }) });
  const client = createClient({ url: home.url, token: 'ann' });
  onTestFinished(() => client.close());
  const store = client.store('demo/main');
  await store.ready;
  expect(store.status.get().connection).toBe('connected');
});

test('who ends at a part of a millisecond ends at the whole one before, for clients and for tokens made in their name', async () => {
  const ends = Date.now() + 3_600_000;
  const home = await world({ authenticate: principals({ ann: { expiresAt: ends + 0.75 } }) });
  const client = createClient({ url: home.url, token: 'ann' });
  onTestFinished(() => client.close());
  await client.store('demo/main').ready;
  const headers = { Authorization: `Bearer ${await made(home, 'ann')}` };
  const who = await fetch(`${home.url}/api/whoami`, { headers });
  expect(JSON.stringify(await who.json())).toContain(new Date(ends).toISOString());
});
