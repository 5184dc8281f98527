import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Client, Store } from '@holdfast/client';
import { openWorld, type World } from './world.ts';

let world: World;
let client: Client;

beforeEach(async () => {
  world = await openWorld();
  client = world.client();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** Handles of so many parts; a server lets a client have 2,000 of a store. */
function handles(count: number, of: string): readonly Store[] {
  return Array.from({ length: count }, (_, at) =>
    client.store('acme/app', { scope: [`${of}/${at}/**`] }),
  );
}

const ready = (stores: readonly Store[]): Promise<unknown> =>
  Promise.all(stores.map((store) => store.ready));

it('who goes through thousands of parts, some at a time, has each: those let go of make room at once', async () => {
  for (const of of ['a', 'b', 'c']) {
    const shown = handles(1500, of);
    // oxlint-disable-next-line no-await-in-loop -- one screen after the other
    await ready(shown);
    for (const store of shown) store.close();
  }
});

it('what was denied for want of room is to be had once there is some, without a new connection', async () => {
  const held = handles(1500, 'a');
  await ready(held);
  const [first] = handles(600, 'b');
  await expect(first?.ready).rejects.toMatchObject({ code: 'too_many_patterns' });
  for (const store of held) store.close();
  await expect
    .poll(() =>
      client.store('acme/app', { scope: ['b/0/**'] }).ready.then(
        () => 'ready',
        () => 'refused',
      ),
    )
    .toBe('ready');
});
