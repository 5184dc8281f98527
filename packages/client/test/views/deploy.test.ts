import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, HoldfastError } from '@holdfast/client';
import { views, waitFor } from '@holdfast/client/views';
import { expect, it, onTestFinished } from 'vitest';
import type { boards } from './deploy-server.ts';

const script = join(import.meta.dirname, 'deploy-server.ts');

/** A server in a process of its own. */
class Deployed {
  readonly #data: string;
  #process: ChildProcess | null = null;
  port = 0;

  constructor(data: string) {
    this.#data = data;
  }

  async start(): Promise<void> {
    const child = fork(script, [this.#data, String(this.port)], {
      execArgv: ['--conditions=@holdfast/source'],
    });
    this.#process = child;
    const [message] = (await once(child, 'message')) as [{ readonly port: number }];
    this.port = message.port;
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
}

it('a view whose state lives in stores survives kill -9: its clients go on by a fresh root, and never see less than they saw', async () => {
  const data = await mkdtemp(join(tmpdir(), 'holdfast-deploy-'));
  const server = new Deployed(data);
  onTestFinished(async () => {
    await server.kill();
    await rm(data, { recursive: true, force: true });
  });
  await server.start();
  const pages = ['ada', 'ben'].map((token) => {
    const url = `ws://127.0.0.1:${server.port}`;
    const client = createClient<typeof boards>({
      url,
      token,
      views: views(),
      env: { random: () => 0.01 },
    });
    onTestFinished(() => client.close());
    return client.view('Board');
  });
  const [ada, ben] = await Promise.all(pages.map(({ ready }) => ready));
  if (ada === undefined || ben === undefined) throw new Error('two');
  /** Each time that the number of cards shown was smaller than before, or there was nothing at all. */
  const flashes: unknown[] = [];
  const states: string[] = [];
  let [shown, remounts] = [0, 0];
  const off = ben.$subscribe(() => {
    const snapshot = ben.$snapshot();
    if (snapshot === undefined || snapshot.cards.length < shown) flashes.push(snapshot);
    shown = snapshot?.cards.length ?? 0;
  });
  pages[1]?.health.subscribe(() => states.push(pages[1]?.health.get().state ?? ''));
  pages[1]?.onRemount(() => (remounts += 1));
  let made = 0;
  /** Adds a card, again where nobody knows whether that was done. */
  const add = async (): Promise<void> => {
    made += 1;
    const id = String(made).padStart(3, '0');
    for (;;) {
      try {
        await ada.$dispatch('add', { id });
        return;
      } catch (error) {
        if (!(error instanceof HoldfastError && error.code === 'disconnected')) throw error;
      }
    }
  };
  for (let n = 0; n < 10; n += 1) await add();
  await waitFor(ben, ({ cards }) => cards.length === 10);
  const amid = Array.from({ length: 20 }, add);
  await server.kill();
  await expect.poll(() => pages[1]?.health.get().state, { timeout: 10_000 }).toBe('stale');
  const before = ben.$snapshot();
  expect(before?.cards.length).toBeGreaterThanOrEqual(10);
  const [waiting, first] = [add(), ben.cards[0]];
  await server.start();
  await Promise.all([...amid, waiting]);
  await waitFor(ben, ({ cards }) => cards.length === made);
  // What did not change is what it was, over the mount of another process.
  expect([ben.cards[0] === first, ben.$snapshot()?.cards[0] === before?.cards[0]]).toEqual([
    true,
    true,
  ]);
  expect(remounts).toBe(1);
  off();
  expect(flashes).toEqual([]);
  expect(new Set(states)).toEqual(new Set(['stale', 'live']));
  expect(ben.cards.map(({ title }) => title)).toEqual(
    Array.from({ length: made }, (_, n) => `card ${String(n + 1).padStart(3, '0')}`),
  );
});
