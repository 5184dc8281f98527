import { afterEach, beforeEach, expect, test } from 'vitest';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

test('C18 another token than one that was refused is asked for once, though it takes longer than a connection may', async () => {
  const asked: ((token: string) => void)[] = [];
  let isFirst = true;
  const client = world.client({
    token: () => {
      if (!isFirst) return new Promise((resolve) => void asked.push(resolve));
      isFirst = false;
      return 'refused';
    },
    // Twenty seconds pass in one.
    env: {
      now: () => performance.now() * 20,
      setTimeout: (run, ms) => setTimeout(run, ms / 20),
    },
  });
  client.status.subscribe(() => {
    if (asked.length > 0 && client.status.get().attempts > 1) asked[0]?.(world.token);
  });
  await client.store('acme/app').ready;
  expect(asked).toHaveLength(1);
});
