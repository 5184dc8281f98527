import { afterEach, beforeEach, expect, test } from 'vitest';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

test('C18 a token source that takes longer than a connection may is not asked again meanwhile', async () => {
  const asked: ((token: string) => void)[] = [];
  const client = world.client({
    token: () => new Promise((resolve) => void asked.push(resolve)),
    // Twenty seconds pass in one.
    env: {
      now: () => performance.now() * 20,
      setTimeout: (run, ms) => setTimeout(run, ms / 20),
    },
  });
  client.status.subscribe(() => {
    if (client.status.get().attempts > 0) asked[0]?.(world.token);
  });
  await client.store('acme/app').ready;
  expect(asked).toHaveLength(1);
});
