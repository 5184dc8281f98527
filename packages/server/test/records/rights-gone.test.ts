import { deferred } from '@holdfast/engine/registry';
import { record } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { VirtualClock } from '../conversation/clock.ts';
import { dueNow } from '../conversation/turns.ts';
import type { Principal } from '@holdfast/server';
import { everything, topic, world, type World } from '../conversation/world.ts';
import { http, person, write } from './site.ts';

const Doc = record({
  name: 'doc',
  store: 'demo/main',
  path: 'docs/:id',
  version: '1.0',
  schema: z.object({ title: z.string() }),
});

/** Longer than it takes until a change of rights has taken effect; shorter than a rule may take to answer. */
const lateMs = 4500;

type Site = World & {
  readonly clock: VirtualClock;
  isKnown: boolean;
  /** What the token lets in to; null: to everything. */
  rules: Principal['pathRules'];
  /** A rule has been asked, and asked again, and answers that it may be. */
  readonly asked: Promise<void>;
  readonly askedAgain: Promise<void>;
  readonly permit: () => void;
  /** Hears who somebody is asked for, and is not told before the test ends, from when it is set on. */
  unheard: (() => void) | null;
  /** Who somebody is cannot be found out. */
  isDown: boolean;
};

async function site(): Promise<Site> {
  const clock = new VirtualClock();
  const rights: Pick<Site, 'isKnown' | 'rules' | 'unheard' | 'isDown'> = {
    isKnown: true,
    rules: null,
    unheard: null,
    isDown: false,
  };
  // Else a server that waits for it all the same could not be closed.
  const end = deferred<null>();
  const [asked, askedAgain, answer] = [deferred<void>(), deferred<void>(), deferred<boolean>()];
  let asks = 0;
  const made = await world({
    clock,
    storage: memory({ now: clock.wall }),
    authenticate: async ({ token }) => {
      if (token === 'dev') return everything;
      if (rights.unheard !== null) {
        rights.unheard();
        return end.promise;
      }
      if (rights.isDown) throw new Error('down');
      if (!rights.isKnown) return null;
      return person(token, { pathRules: rights.rules ?? null });
    },
  });
  onTestFinished(() => end.resolve(null));
  made.server.record(Doc, {
    write: () => {
      asks += 1;
      if (asks > 1) askedAgain.resolve();
      asked.resolve();
      return answer.promise;
    },
  });
  const permit = (): void => answer.resolve(true);
  return Object.assign(rights, {
    ...made,
    clock,
    asked: asked.promise,
    askedAgain: askedAgain.promise,
    permit,
  });
}

it('S101 a write about which a rule is still asked when its token is revoked is not committed', async () => {
  const made = await site();
  const peer = await made.joined({ token: 'ada', device: 'd2' });
  const dev = await made.joined();
  peer.push(topic, 'write', { op: 'set', path: 'docs/1/title', value: 'x', client_op_id: 'o1' });
  peer.push(topic, 'write', { op: 'set', path: 'behind', value: 'x', client_op_id: 'o2' });
  await made.asked;
  made.isKnown = false;
  await made.clock.pass(lateMs);
  expect(await peer.closed()).toBe(4001);
  made.permit();
  // It is decided before what comes now.
  await write(dev, { op: 'set', path: 'next', value: 1 });
  await write(dev, { op: 'set', path: 'next', value: 2 });
  expect((await http(made, 'GET', 'entry?path=docs/1/title')).status).toBe(404);
  expect((await http(made, 'GET', 'entry?path=behind')).status).toBe(404);
});

it('a write about which a rule is still asked when its connection is lost is committed', async () => {
  const made = await site();
  const peer = await made.joined({ token: 'ada', device: 'd2' });
  const dev = await made.joined();
  peer.push(topic, 'write', { op: 'set', path: 'docs/1/title', value: 'x', client_op_id: 'o1' });
  await made.asked;
  peer.cut();
  await made.clock.pass(lateMs);
  made.permit();
  const told = await dev.until(([, , , event]) => event === 'events');
  expect(JSON.stringify(told)).toContain('docs/1/title');
});

function sentBy(made: Site, route: string): ReturnType<typeof http> {
  const leaf = { path: 'docs/1/title', value: 'x' };
  const lines = `${JSON.stringify({ ...leaf, type: 'string' })}\n`;
  return http(made, 'POST', route, {
    token: 'ada',
    ...(route === 'entries' ? { body: leaf } : { lines }),
  });
}

const routes = ['entries', 'import?headerless=slash'];

it.each(routes)(
  'S101 a request by HTTP (%s) about which a rule is still asked when its token is revoked is refused',
  async (route) => {
    const made = await site();
    const asking = sentBy(made, route);
    await made.asked;
    made.isKnown = false;
    await made.clock.pass(lateMs);
    made.permit();
    expect(await asking).toMatchObject({ status: 401, json: { error: 'unauthorized' } });
    expect((await http(made, 'GET', 'entry?path=docs/1/title')).status).toBe(404);
  },
);

it.each(routes)(
  'a request by HTTP (%s) about which a rule is still asked when its token comes to grant something else is refused for now',
  async (route) => {
    const made = await site();
    const asking = sentBy(made, route);
    await made.asked;
    made.rules = [{ pattern: 'docs/**', allow: ['read', 'write'] }];
    await made.clock.pass(lateMs);
    made.permit();
    expect(await asking).toMatchObject({ status: 503, json: { error: 'unavailable' } });
    expect((await http(made, 'GET', 'entry?path=docs/1/title')).status).toBe(404);
  },
);

it('a write that is sent again under other rights, while a rule is still asked about it, goes by those', async () => {
  const made = await site();
  const peer = await made.joined({ token: 'ada', device: 'd2' });
  const op = { op: 'set', path: 'docs/1/title', value: 'x', client_op_id: 'o1' };
  peer.push(topic, 'write', op);
  await made.asked;
  made.rules = [{ pattern: 'docs/**', allow: ['read', 'write'] }];
  await made.clock.pass(lateMs);
  expect(await peer.closed()).toBe(4002);
  const again = await made.joined({ token: 'ada', device: 'd2' });
  const asking = again.ask(topic, 'write', op);
  await made.askedAgain;
  made.permit();
  expect(await asking).toMatchObject({ status: 'ok' });
  expect((await http(made, 'GET', 'entry?path=docs/1/title')).status).toBe(200);
});

/** Lets the rule answer, and waits until it is asked who `ada` is, which is not told. */
async function permitUnheard(made: Site): Promise<void> {
  const heard = deferred<void>();
  made.unheard = heard.resolve;
  made.permit();
  await heard.promise;
  made.unheard = null;
}

it('a request by HTTP about which a rule was asked is refused for now where nothing says in time who sent it', async () => {
  const made = await site();
  const body = { path: 'docs/1/title', value: 'x' };
  const asking = http(made, 'POST', 'entries', { token: 'ada', body });
  await made.asked;
  // Longer than a request is believed.
  await made.clock.pass(2500);
  await permitUnheard(made);
  await made.clock.pass(2000);
  expect(await dueNow(asking)).toMatchObject({ status: 503, json: { error: 'unavailable' } });
  expect((await http(made, 'GET', 'entry?path=docs/1/title')).status).toBe(404);
});

it('a request by HTTP about which a rule was asked is refused for now where the authenticator fails', async () => {
  const made = await site();
  const body = { path: 'docs/1/title', value: 'x' };
  const asking = http(made, 'POST', 'entries', { token: 'ada', body });
  await made.asked;
  await made.clock.pass(lateMs);
  made.isDown = true;
  made.permit();
  expect(await asking).toMatchObject({ status: 503, json: { error: 'unavailable' } });
});
