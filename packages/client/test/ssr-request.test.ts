import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createClient } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { dehydrate } from '@holdfast/client/ssr';
import { collection } from '@holdfast/protocol';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '../../engine/test/virtual-clock.ts';
import { Doc, Note, closePages, made, openPages, person, server } from './ssr-world.ts';

const dead = { open: () => ({ send: () => undefined, close: () => undefined }) };
const options = { url: 'ws://nobody', token: 'nobody', link: dead, env: { dev: true } };
const shared = createClient(options);

beforeEach(openPages);
afterEach(closePages);
afterAll(() => shared.close());

test('a client that is made when its module is loaded renders no page: requests would share it', async () => {
  expect(() => dehydrate(shared)).toThrow(/Make one for each request/);
  await using own = createClient(options);
  expect(dehydrate(own)).toContain('"v":1');
  await using quiet = createClient({ ...options, env: { dev: false } });
  expect(dehydrate(quiet)).toContain('"v":1');
});

test('so it is where Node itself loads the module, and not within a function that is called later', async () => {
  const program = `
    import { createClient } from '@holdfast/client';
    import { dehydrate } from '@holdfast/client/ssr';
    const link = { open: () => ({ send: () => undefined, close: () => undefined }) };
    const make = () => createClient({ url: 'ws://nobody', token: 'x', link, env: { dev: true } });
    const shared = make();
    const told = (client) => {
      try {
        return dehydrate(client).length > 0;
      } catch (error) {
        return error.message;
      }
    };
    setImmediate(() => {
      const own = make();
      console.log(JSON.stringify([told(shared), told(own)]));
      process.exit(0);
    });`;
  const args = ['--conditions=@holdfast/source', '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: import.meta.dirname,
  });
  expect(JSON.parse(stdout)).toEqual([expect.stringContaining('for each request'), true]);
});

/** What a client has that has used a store and let go of it, two minutes later, and its timers until then. */
async function left(timers: boolean): Promise<{ armed: number; page: string }> {
  const clock = new VirtualClock();
  const client = createClient({
    ...server.inProcess(person('ada')),
    records: records([Doc, Note]),
    timers,
    env: { now: clock.now, setTimeout: clock.setTimeout, clearTimeout: clock.clearTimeout },
  });
  await client.prefetch(Note.ref({ id: '1' }), collection(Note, { orderBy: 'rank' }));
  const store = client.store(Note.store, { scope: [] });
  await expect.poll(() => store.status.get().synced).toBe(true);
  store.close();
  const armed = clock.armed;
  await clock.advance(120_000);
  const page = dehydrate(client);
  await client.close();
  return { armed, page };
}

test('a client of a request arms no timer for what nobody uses any more, and has it until its end', async () => {
  const author = made({ ...server.inProcess(person('ada')) });
  await author.record(Note, { id: '1' }).set({ text: 'One', rank: 1 }).committed;
  const [timed, still] = [await left(true), await left(false)];
  expect(timed.page).not.toContain('One');
  expect(still.page).toContain('One');
  // What is left is the heartbeat of its connection.
  expect([timed.armed > 1, still.armed]).toEqual([true, 1]);
});
