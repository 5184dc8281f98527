import { memoryCache } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { bySse } from '@holdfast/client/records/sse';
import { record } from '@holdfast/protocol';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { Valve } from './valve.ts';
import { openWorld } from './world.ts';

const schema = z.object({ title: z.string(), votes: z.number(), note: z.string().optional() });
const most = (mine: number, theirs: number): number => Math.max(mine, theirs);
const place = { store: 'acme/app', path: 'ideas/:id', version: '1.0', schema } as const;
const lww = { title: 'lww', votes: 'lww', note: 'lww' } as const;

const Plain = record({ ...place, name: 'idea' });
const kinds = [
  ['fields like all others', Plain],
  ['fields of an authority', record({ ...place, name: 'idea', authority: lww })],
  [
    'a field that is merged',
    record({ ...place, name: 'idea', authority: { ...lww, votes: most } }),
  ],
  [
    'fields that not all may see',
    record({ ...place, name: 'idea', visibility: { '*': () => true } }),
  ],
] as const;
const lines = [
  ['a socket', {}],
  ['server-sent events', { delivery: bySse() }],
] as const;

/** Pages of one browser that has no network yet. */
async function away(Idea: typeof Plain, options: object) {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  const ideas = world.server.record(Idea);
  const [link, cache] = [new Valve(), memoryCache()];
  let isAway = true;
  link.down();
  const fetchAgain = (...of: Parameters<typeof fetch>): Promise<Response> =>
    isAway ? Promise.reject(new TypeError('no network')) : fetch(...of);
  const own = { link, cache, principal: 'ada', env: { fetch: fetchAgain, random: () => 0.01 } };
  const page = () => world.client({ ...own, records: records([Idea], options) });
  const back = (): void => {
    isAway = false;
    link.up();
  };
  const gone = (): void => {
    isAway = true;
    link.down();
  };
  return { ideas, page, back, gone };
}

describe.each(lines)('by %s', (_line, options) => {
  test.each(kinds)(
    'R121 R131 given %s, when an object is made without a network, then it is shown at once, and in the next page, and a patch is not',
    async (_kind, Idea) => {
      const { ideas, page, back } = await away(Idea, options);
      const first = page();
      const [idea, other] = [first.record(Idea, { id: '1' }), first.record(Idea, { id: '2' })];
      const made = idea.set({ title: 'a', votes: 1 });
      expect(idea.get()).toEqual({ title: 'a', votes: 1 });
      const patches = [idea.patch({ votes: 2 }), other.patch({ note: 'alone' })];
      expect([idea.get(), other.get()]).toEqual([{ title: 'a', votes: 2 }, undefined]);
      await Promise.all([made, ...patches].map(({ durable }) => durable));
      await first.close();
      const second = page();
      const kept = [second.record(Idea, { id: '1' }), second.record(Idea, { id: '2' })] as const;
      for (const each of kept) onTestFinished(each.retain());
      await expect.poll(() => kept[0].get()).toEqual({ title: 'a', votes: 2 });
      expect(kept[1].get()).toBeUndefined();
      back();
      await Promise.all(kept.map((each) => each.ready()));
      await second.flush();
      await expect.poll(() => kept[0].get()).toEqual({ title: 'a', votes: 2 });
      expect(kept[1].get()).toBeUndefined();
      expect(await ideas.get({ id: '1' })).toMatchObject({ value: { title: 'a', votes: 2 } });
      expect(await ideas.get({ id: '2' })).toMatchObject({ deleted: true });
    },
  );

  test('R131 R133 given an object that was seen, when it is patched without a network, then the next page shows it so, too', async () => {
    const { ideas, page, back, gone } = await away(Plain, options);
    await ideas.write({ id: '1' }, { set: { title: 'a', votes: 1 } });
    back();
    const first = page();
    const idea = first.record(Plain, { id: '1' });
    onTestFinished(idea.retain());
    await idea.ready();
    await first.flush();
    gone();
    await idea.patch({ votes: 2 }).durable;
    await first.close();
    const second = page();
    const kept = second.record(Plain, { id: '1' });
    onTestFinished(kept.retain());
    await expect.poll(() => kept.get()).toEqual({ title: 'a', votes: 2 });
    expect(kept.state.get().pendingIntents).toBe(1);
    back();
    await second.flush();
    expect(await ideas.get({ id: '1' })).toMatchObject({ value: { title: 'a', votes: 2 } });
    await expect.poll(() => kept.get()).toEqual({ title: 'a', votes: 2 });
  });
});

test('R121 given fields that not all may see, when an unseen object is mutated in a transaction without a network, then that is not shown', async () => {
  const Bumped = record({
    ...place,
    name: 'idea',
    visibility: { '*': () => true },
    mutations: {
      bump: { apply: (idea) => ({ title: 'none', ...idea, votes: (idea?.votes ?? 0) + 1 }) },
    },
  });
  const { ideas, page, back } = await away(Bumped, {});
  await ideas.write({ id: '1' }, { set: { title: 'a', votes: 7 } });
  const client = page();
  const idea = client.record(Bumped, { id: '1' });
  onTestFinished(idea.retain());
  const bumped = client.transact((tx) => tx.record(idea).mutate('bump'));
  expect(idea.get()).toBeUndefined();
  back();
  await bumped.committed;
  await expect.poll(() => idea.get()).toEqual({ title: 'a', votes: 8 });
});

test('what waits in a cache in memory is sent by the next client of it, though nobody opens its store', async () => {
  const { ideas, page, back } = await away(Plain, {});
  const first = page();
  await first.record(Plain, { id: '1' }).set({ title: 'a', votes: 1 }).durable;
  await first.close();
  back();
  page();
  await expect
    .poll(() => ideas.get({ id: '1' }))
    .toMatchObject({ value: { title: 'a', votes: 1 } });
});
