import { failureText, simulate, type Simulation } from '@holdfast/simulation';
import { expect, test } from 'vitest';

const one = { from: 7, count: 1 };

async function said(simulation: Simulation): Promise<string | null> {
  const failure = await simulate(simulation, one);
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
