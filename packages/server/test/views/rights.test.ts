import { deferred } from '@holdfast/engine/registry';
import { record } from '@holdfast/protocol';
import { app, type Principal, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { VirtualClock } from '../conversation/clock.ts';
import { everything, world, type World } from '../conversation/world.ts';
import { person, write } from '../records/site.ts';
import { Root } from './root.ts';

const Member = record({
  name: 'member',
  store: 'demo/main',
  path: 'people/:id',
  version: '1.0',
  schema: z.object({
    name: z.unknown(),
    email: z.string().optional(),
    friends: z.array(z.string()).optional(),
  }),
  visibility: {
    name: () => true,
    '*': ({ principal, params, value }) =>
      principal.subject === params.id || value.friends?.includes(principal.subject ?? '') === true,
  },
});

const store = 'demo/main';
const mine = { as: 'principal' } as const;
const file = {
  _type: 'file',
  hash: `sha256:${'0'.repeat(64)}`,
  size: 1,
  content_type: 'text/plain',
  filename: 'a',
  uploaded_at: '2026-01-01T00:00:00.000Z',
};

const card = view({
  name: 'Card',
  render: (_s, _h, ctx) => ({
    ada: ctx.store(store, mine).get('people/ada') ?? null,
    email: ctx.store(store, mine).get('people/ada/email') ?? null,
    leaves: ctx
      .store(store, mine)
      .entries('people/**')
      .map(({ path }) => path),
  }),
  commands: {
    put: {
      input: z.object({ path: z.string(), value: z.unknown() }),
      run: async (ctx, { path, value }) => void (await ctx.store(store, mine).put(path, value)),
    },
  },
});

const desk = view({
  name: 'Desk',
  scope: 'shared',
  mount: () => ({ said: [] as unknown[] }),
  render: ({ said }) => ({ said }),
  commands: {
    look: {
      run: async (ctx) => {
        const own = ctx.store(store, mine);
        await own.ready;
        const said = own.get('secret') ?? null;
        ctx.update((state: { said: unknown[] }) => void state.said.push(said));
      },
    },
  },
});

async function site(people: { [token: string]: Partial<Principal> } = {}): Promise<World> {
  const made = await world({
    app: app({ views: [card, desk] }),
    authenticate: async ({ token }) => {
      if (token === 'dev') return everything;
      const { subject = token, ...more } = people[token ?? ''] ?? {};
      const scopes = new Set(['entries:read', 'entries:write', 'files:write'] as const);
      return person(subject, { scopes, ...more });
    },
  });
  const members = made.server.record(Member, { write: (_ctx, _ref, { value }) => value !== 'no' });
  await members.write({ id: 'ada' }, { set: { name: 'Ada', email: 'a@x', friends: ['bob'] } });
  return made;
}

async function joined({ connect }: World, token: string, module: string): Promise<Root> {
  const root = new Root(await connect({ token }), module, module);
  expect(await root.join({ module, id: module })).toMatchObject({ status: 'ok' });
  return root;
}

it('a store as the principal shows nothing that records hide (views.md §11.2, records.md §17)', async () => {
  const made = await site();
  const root = await joined(made, 'eve', 'Card');
  const value = { ada: { name: 'Ada' }, email: null, leaves: ['people/ada/name'] };
  expect(await root.envelope()).toMatchObject({ ops: [{ path: '', value }] });
  const dev = await made.joined({ device: 'd2' });
  await write(dev, { op: 'set', path: 'people/ada/friends', value: ['eve'] });
  const { ops } = await root.envelope();
  expect(JSON.stringify(ops)).toContain('a@x');
});

it('R226 a view that reads as the principal hears within 5 s of rules that say otherwise, though nothing was committed', async () => {
  const clock = new VirtualClock();
  const open = { to: 'nobody' };
  const made = await world({
    clock,
    storage: memory({ now: clock.wall }),
    app: app({ views: [card] }),
    authenticate: async ({ token }) => person(token, { scopes: new Set(['entries:read']) }),
  });
  const shape = z.object({ name: z.string(), email: z.string().optional() });
  const people = made.server.record(
    record({
      name: 'person',
      store,
      path: 'people/:id',
      version: '1.0',
      schema: shape,
      visibility: { name: () => true, '*': ({ principal }) => principal.subject === open.to },
    }),
  );
  await people.write({ id: 'ada' }, { set: { name: 'Ada', email: 'a@x' } });
  const [root, other] = [await joined(made, 'eve', 'Card'), await joined(made, 'bob', 'Card')];
  expect(JSON.stringify(await root.envelope())).not.toContain('a@x');
  await other.envelope();
  open.to = 'eve';
  await clock.pass(5000);
  expect(JSON.stringify((await root.envelope()).ops)).toContain('a@x');
  open.to = 'bob';
  await clock.pass(5000);
  expect(JSON.stringify(await other.envelope())).toContain('a@x');
  expect(await root.envelope()).toMatchObject({ version: 3 });
});

it('a write as the principal is judged as one of its own', async () => {
  const made = await site();
  const root = await joined(made, 'eve', 'Card');
  await root.envelope();
  const reasonOf = async (path: string, value: unknown): Promise<unknown> =>
    (await root.command('put', { path, value })).response['reason'];
  expect(await reasonOf('people/ada/email', 'e@x')).toBe('forbidden_field');
  expect(await reasonOf('people/ada/name', 'no')).toBe('path_not_allowed');
  expect(await reasonOf('people/ada/name', file)).toBe('unknown_file');
  expect(await reasonOf('people/ada/name', 'Countess')).toBe(undefined);
});

it('in a shared view everybody has stores of their own, whatever they are called', async () => {
  const pathRules = [{ pattern: 'open/**', allow: ['read'] }] as const;
  const made = await site({
    wide: { subject: 'eve' },
    narrow: { subject: 'eve', pathRules },
    nobody: { subject: null },
    namesake: { subject: 'anonymous', pathRules },
    empty: { subject: '', pathRules },
  });
  const dev = await made.joined({ device: 'd2' });
  await write(dev, { op: 'set', path: 'secret', value: 'x' });
  const statuses = [];
  for (const token of ['wide', 'narrow', 'nobody', 'namesake', 'empty']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const root = await joined(made, token, 'Desk');
    // oxlint-disable-next-line no-await-in-loop -- the same
    statuses.push((await root.command('look')).status);
  }
  expect(statuses).toEqual(['ok', 'error', 'ok', 'error', 'error']);
});

it.each(['connection', 'shared'] as const)(
  'V71 recheck finds out who has been let in, and is not there yet (scope %s)',
  async (scope) => {
    const banned = new Set<string | null>();
    const asked = new Set<string | null>();
    const [allAsked, mounted] = [deferred<void>(), deferred<void>()];
    const slow = view({
      name: 'Slow',
      scope,
      authorize: ({ principal: { subject } }) => {
        asked.add(subject);
        if (asked.size === 2) allAsked.resolve();
        return !banned.has(subject);
      },
      mount: () => mounted.promise,
      render: () => ({ secret: 'words' }),
    });
    const { connect, server } = await world({
      app: app({ views: [slow] }),
      authenticate: async ({ token }) => person(token),
    });
    const [ada, ben] = [await connect({ token: 'ada' }), await connect({ token: 'ben' })].map(
      (peer) => new Root(peer, 'Slow', 's').join({ module: 'Slow', id: 's' }),
    );
    await allAsked.promise;
    banned.add('ben');
    await server.recheck(slow);
    mounted.resolve();
    expect(await ada).toMatchObject({ status: 'ok' });
    expect(await ben).toMatchObject({ response: { reason: 'unauthorized' } });
  },
);

it('who is about to be let in is asked about again for a recheck of what they come to, and for no other', async () => {
  let asked = 0;
  const [wasAsked, mounted] = [deferred<void>(), deferred<void>()];
  const slow = view({
    name: 'Slow',
    authorize: () => {
      asked += 1;
      wasAsked.resolve();
      return true;
    },
    mount: () => mounted.promise,
    render: () => ({}),
  });
  const fast = view({ name: 'Fast', render: () => ({}) });
  const { connect, server } = await world({ app: app({ views: [slow, fast] }) });
  const joining = new Root(await connect(), 'Slow', 's').join({ module: 'Slow', id: 's' });
  await wasAsked.promise;
  await server.recheck(slow, 'another');
  await server.recheck(fast);
  mounted.resolve();
  expect(await joining).toMatchObject({ status: 'ok' });
  expect(asked).toBe(1);
  await server.recheck(slow, 's');
  expect(asked).toBe(2);
});

it('given a shared view that ends while somebody who comes to it is asked about again, then they come to the next', async () => {
  let mounts = 0;
  const [firstAsked, secondAsked] = [deferred<void>(), deferred<void>()];
  const [first, second] = [deferred<boolean>(), deferred<boolean>()];
  let asked = 0;
  const brief = view({
    name: 'Brief',
    scope: 'shared',
    linger: 0,
    authorize: ({ principal: { subject } }) => {
      if (subject === 'ada') return true;
      asked += 1;
      (asked === 1 ? firstAsked : secondAsked).resolve();
      return (asked === 1 ? first : second).promise;
    },
    mount: () => {
      mounts += 1;
    },
    render: () => ({ mounts }),
  });
  const { connect, server } = await world({
    app: app({ views: [brief] }),
    authenticate: async ({ token }) => person(token),
  });
  const ada = new Root(await connect({ token: 'ada' }), 'Brief', 'b');
  await ada.join({ module: 'Brief', id: 'b' });
  const ben = new Root(await connect({ token: 'ben' }), 'Brief', 'b');
  const joining = ben.join({ module: 'Brief', id: 'b' });
  await firstAsked.promise;
  await server.recheck(brief);
  first.resolve(true);
  await secondAsked.promise;
  await ada.ask('phx_leave', {});
  await expect.poll(() => server.describe().views).toEqual([]);
  second.resolve(true);
  expect(await joining).toMatchObject({ status: 'ok' });
  expect(mounts).toBe(2);
});
