import {
  failureText,
  type Seeds,
  simulate,
  type Simulation,
  type World,
} from '@holdfast/simulation';
import type { Server } from '@holdfast/server';
import { expect, test } from 'vitest';

const one = { from: 7, count: 1 };

async function said(simulation: Simulation, seeds: Seeds = one): Promise<string | null> {
  const failure = await simulate(simulation, seeds);
  return failure === null ? null : failureText(failure);
}

test.each([
  ['a promise that nobody catches', () => void Promise.reject(new Error('mine'))],
  [
    'what is thrown in a task of its own',
    () =>
      queueMicrotask(() => {
        throw new Error('mine');
      }),
  ],
])(
  'given a program with %s, when it is played, then the failure tells of it and of the seed',
  async (_, fails) => {
    const before = process.listenerCount('unhandledRejection');
    const text = await said({
      async program(world) {
        await world.sleep(10);
        fails();
      },
    });
    expect(text).toMatch(/^SEED=7\nat \d+ ms: uncaught: Error: mine/);
    expect(process.listenerCount('unhandledRejection')).toBe(before);
  },
);

test('given a program that fails only the first time, when it is played, then the failure tells what was wrong, and that it does not repeat', async () => {
  let runs = 0;
  const text = await said({
    faults: { cut: 30 },
    program: (world) => world.sleep(20_000),
    check() {
      runs += 1;
      if (runs === 1) throw new Error('odd');
    },
  });
  expect(text).toMatch(/^SEED=7\nit does not repeat: .*\nat \d+ ms: Error: odd/);
});

test.each([
  {
    how: 'takes a minute and a half to close',
    spoilt: (server: Server, world: () => World) => {
      const { close } = server;
      return async (terms?: Parameters<Server['close']>[0]) => {
        await world().sleep(90_000);
        await close.call(server, terms);
      };
    },
    seen: /ended: a server is not closed since \d+/,
  },
  {
    how: 'says to be closed and goes on',
    spoilt: () => async () => undefined,
    seen: /ended: a server that is closed still stores something/,
  },
])(
  'given a server that $how, when it is to close, then the failure tells of it',
  async (mutant) => {
    let now: World | null = null;
    const world = (): World => now ?? expect.fail('the world has not begun');
    const simulation: Simulation = {
      faults: { closeServer: 12 },
      prepare: (server) => Object.assign(server, { close: mutant.spoilt(server, world) }),
      async program(begun) {
        now = begun;
        for (let count = 0; count < 1000; count++) {
          for (const name of ['ann', 'bob', 'cleo', 'dan']) {
            begun.client(name).store('acme/app').put(name, count);
          }
          await begun.sleep(20);
        }
        await begun.sleep(80_000);
      },
    };
    expect(await said(simulation, { ...one, shrinks: false })).toMatch(mutant.seen);
  },
);

test('given a client that says to be closed and goes on, when a world ends, then the failure tells of its timers', async () => {
  const text = await said({
    async program(world) {
      const client = Object.assign(world.client('ann'), { close: async () => undefined });
      await client.store('acme/app').put('x', 1).committed;
    },
  });
  expect(text).toMatch(/ann leaves \d+ timers running/);
});

test('given a server that says to be closed and goes on, when a world ends, then the failure tells of its timers', async () => {
  const text = await said({
    prepare: (server) => Object.assign(server, { close: async () => undefined }),
    async program(world) {
      await world.client('ann').store('acme/app').put('x', 1).committed;
    },
  });
  expect(text).toMatch(/the server leaves \d+ timers running/);
});

test('given a program that waits for a store that there is not, when it is played, then the failure tells what its clients are at', async () => {
  const text = await said({
    async program(world) {
      await world.client('ann').store('acme/another').put('x', 1).committed;
    },
  });
  expect(text).toMatch(/the program has not ended after \d+ ms: .*\n.*"code":"unauthorized"/s);
});

test('given a program that closes its client, when it has ended, then nobody waits for that one', async () => {
  const text = await said({
    async program(world) {
      await using client = world.client('ann');
      await client.store('acme/app').put('x', 1).committed;
      await world.client('bob').store('acme/app').ready;
    },
    check(world) {
      expect(world.device('bob').store('acme/app').get('x')).toBe(1);
    },
  });
  expect(text).toBeNull();
});
