import { app, type Server, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import type { Peer } from '../conversation/peer.ts';
import { world } from '../conversation/world.ts';
import { Root } from './root.ts';

// What a process knows of who was there and may come back by a token (views.md §4.5, §11.7).

const ended: string[] = [];
/** What `authorize` says when it is asked next, in its order; then that somebody may come. */
const answers: (boolean | Error)[] = [];
const guarded = view({
  name: 'Guarded',
  authorize: () => {
    const answer = answers.shift() ?? true;
    if (answer instanceof Error) throw answer;
    return answer;
  },
  mount: ({ signal, id }) => {
    signal.addEventListener('abort', () => ended.push(id));
    return { n: 0 };
  },
  render: ({ n }) => ({ n }),
  commands: { add: { run: (ctx) => ctx.update((s) => void (s.n += 1)) } },
});

type Limits = { readonly [name: string]: number };

async function site(viewLimits: Limits = {}): Promise<{
  readonly clock: VirtualClock;
  readonly server: Server;
  readonly connect: () => Promise<Peer>;
}> {
  ended.length = 0;
  answers.length = 0;
  const clock = new VirtualClock();
  const log = { info: () => undefined, error: () => undefined };
  const storage = memory({ now: clock.wall });
  const { connect, server } = await world({
    app: app({ views: [guarded] }),
    clock,
    storage,
    log,
    viewLimits,
  });
  return { clock, server, connect: () => connect() };
}

/** Joins, by a token or without; what the reply says, and the root. */
async function come(
  peer: Peer,
  instance: unknown = null,
  version = 0,
): Promise<{ readonly root: Root; readonly response: { readonly [name: string]: unknown } }> {
  const root = new Root(peer, 'Guarded', 'g');
  const resume = { instance, version };
  const { response } = await root.join({ module: 'Guarded', id: 'g', capver: 4, resume });
  return { root, response };
}

it('V71 of whom a recheck refuses nothing is kept: what it had for itself ends with its channel', async () => {
  const { connect, server } = await site();
  const { root } = await come(await connect());
  await root.envelope();
  answers.push(false);
  await server.recheck(guarded);
  expect((await root.next())[3]).toBe('phx_error');
  expect(ended).toEqual(['g']);
  expect(server.describe().views).toEqual([]);
});

it('V71 a recheck that gets no answer does not end who has come back meanwhile, and was let in', async () => {
  const { clock, connect, server } = await site();
  const { root, response } = await come(await connect());
  await root.envelope();
  const none = new Error('the database is away');
  answers.push(none, true, none, none, none, none, none);
  const checked = server.recheck(guarded);
  await expect.poll(() => answers.length).toBe(6);
  const back = await come(await connect(), response['instance'], 1);
  expect(back.response).toMatchObject({ resumed: true });
  for (let second = 0; second < 4; second += 1) {
    // oxlint-disable-next-line no-await-in-loop -- until nobody asks any more
    await clock.pass(1000);
  }
  await checked;
  expect(ended).toEqual([]);
  await back.root.command('add');
  expect(await back.root.envelope()).toMatchObject({ version: 2 });
});

it('whose instance has ended is known for five minutes by its token, and not for ever', async () => {
  const resends = [];
  for (const ms of [61_000, 331_000]) {
    // oxlint-disable no-await-in-loop -- one world after the other
    const { clock, connect } = await site();
    const peer = await connect();
    const { root, response } = await come(peer);
    await root.ask('phx_leave', {});
    await clock.pass(ms);
    const back = await come(await connect(), response['instance'], 1);
    resends.push([back.response['resumed'], back.response['resend']]);
    // oxlint-enable no-await-in-loop
  }
  expect(resends).toEqual([
    [false, true],
    [false, false],
  ]);
});

it('what of its answers a client may lack counts from when it left, and from now again once it has come back', async () => {
  const { clock, connect } = await site({
    dedupe_count: 1,
    dedupe_ms: 1,
    linger_ms: 1_000_000,
  });
  const twice = async (root: Root): Promise<void> => {
    for (const id of ['1', '2']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await root.command('add', {}, { client_op_id: `${id} ${clock.now()}` });
      // oxlint-disable-next-line no-await-in-loop -- the same
      await clock.pass(10);
    }
  };
  const { root, response } = await come(await connect());
  const { instance } = response;
  await twice(root);
  await root.ask('phx_leave', { keep: true });
  // What it was sent before it left may not have come.
  await clock.pass(125_000);
  const late = await come(await connect(), instance, 3);
  expect(late.response).toMatchObject({ resumed: true, resend: false });
  await twice(late.root);
  // By now it has heard of those, or has been silent for so long that nobody waits.
  await clock.pass(125_000);
  const again = await come(await connect(), instance, 5);
  expect(again.response).toMatchObject({ resumed: true, resend: true });
});
