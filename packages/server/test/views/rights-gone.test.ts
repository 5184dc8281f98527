import { deferred } from '@holdfast/engine/registry';
import { RejectedError } from '@holdfast/protocol';
import { app, type Principal, upload, view, type ViewStore } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import type { Peer } from '../conversation/peer.ts';
import { arrived } from '../conversation/talk.ts';
import { everything, world, type World } from '../conversation/world.ts';
import { http, person } from '../records/site.ts';
import { Root } from './root.ts';
import { Sender } from './sender.ts';

const store = 'demo/main';
const mine = { as: 'principal' } as const;
const mayAll = [{ pattern: '**', allow: ['read', 'write'] }] as const;
const mayLittle = [{ pattern: 'own/**', allow: ['read', 'write'] }] as const;
const resumable = { capver: 4, resume: { instance: null, version: 0 } };
/** When a change of rights has taken effect (stores.md §11.3). */
const promptMs = 5000;

type Site = World & {
  readonly clock: VirtualClock;
  /** What the token of `ada` lets in to; null: to nothing. */
  rules: Principal['pathRules'] | null;
  /** The id of that token. */
  tokenId: string | null;
  /** Comes before it is said what that is. */
  before: () => Promise<void>;
  /** The steps of a command that waits before it writes. */
  readonly begun: Promise<void>;
  readonly goOn: () => void;
  readonly done: Promise<string>;
};

async function site(): Promise<Site> {
  const clock = new VirtualClock();
  const [begun, going, done] = [deferred<void>(), deferred<void>(), deferred<string>()];
  const desk = view({
    name: 'Desk',
    uploads: {
      note: upload({
        accept: 'any',
        chunkSize: 4,
        onComplete: async (ctx) => {
          await ctx.uploads.consume('note', async (_entry, file) => {
            await file?.saveTo(ctx.store(store, mine), 'files/note');
          });
        },
      }),
      large: upload({
        accept: 'any',
        chunkSize: 4096,
        sniff: () => going.promise.then(() => true),
      }),
    },
    render: (_s, h) => ({ note: h.upload('note'), large: h.upload('large') }),
    commands: {
      late: {
        run: async (ctx) => {
          const own = ctx.store(store, mine);
          await own.ready;
          begun.resolve();
          await going.promise;
          done.resolve(await own.put('late', 1).then(() => 'committed', codeOf));
        },
      },
      lateRead: {
        run: async (ctx) => {
          const own = ctx.store(store, mine);
          await own.ready;
          begun.resolve();
          await going.promise;
          done.resolve(read(own));
        },
      },
      lateOpening: {
        run: async (ctx) => {
          begun.resolve();
          await going.promise;
          const own = ctx.store(store, mine);
          done.resolve(await own.ready.then(() => read(own), codeOf));
        },
      },
    },
  });
  const rights: Pick<Site, 'rules' | 'tokenId' | 'before'> = {
    rules: mayAll,
    tokenId: 't1',
    before: async () => undefined,
  };
  const scopes = new Set(['entries:read', 'entries:write', 'files:write'] as const);
  const made = await world({
    clock,
    storage: memory({ now: clock.wall }),
    app: app({ views: [desk] }),
    authenticate: async ({ token }) => {
      if (token === 'dev') return everything;
      await rights.before();
      const { rules, tokenId } = rights;
      return rules ? person('ada', { scopes, pathRules: rules, tokenId }) : null;
    },
  });
  return Object.assign(rights, {
    ...made,
    clock,
    begun: begun.promise,
    goOn: () => going.resolve(),
    done: done.promise,
  });
}

async function atDesk({ connect }: World): Promise<{ readonly peer: Peer; readonly root: Root }> {
  const peer = await connect({ token: 'ada' });
  const root = new Root(peer, 'Desk', 'd');
  expect(await root.join({ module: 'Desk', id: 'd', ...resumable })).toMatchObject({
    status: 'ok',
  });
  return { peer, root };
}

async function letIn(
  root: Root,
  name: string,
  size: number,
): Promise<{ readonly ref: string; readonly token: string }> {
  const entry = { client_ref: '0', name: 'a.txt', size, type: 'text/plain' };
  const { response } = await root.ask('allow_upload', { store_id: [], name, entries: [entry] });
  const granted = response['entries'] as { [ref: string]: { entry_ref: string; token: string } };
  const { entry_ref: ref = '', token = '' } = granted['0'] ?? {};
  return { ref, token };
}

function read(from: ViewStore): string {
  try {
    return String(from.get('secret'));
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  return error instanceof RejectedError ? error.code : String(error);
}

it('S101 a file that was let in under rights that have changed is not brought to its end', async () => {
  const made = await site();
  const { peer, root } = await atDesk(made);
  const { ref, token } = await letIn(root, 'note', 8);
  const sender = new Sender(peer, ref);
  await sender.join({ token, resume: true });
  await sender.chunk('0123');
  made.rules = mayLittle;
  await made.clock.pass(promptMs);
  expect(await peer.closed()).toBe(4002);
  const again = new Sender(await made.connect({ token: 'ada' }), ref);
  expect(await again.join({ token, resume: true })).toEqual({
    status: 'error',
    response: { reason: 'unauthorized' },
  });
  made.rules = mayAll;
  const regranted = new Sender(await made.connect({ token: 'ada' }), ref);
  expect(await regranted.join({ token, resume: true })).toMatchObject({ response: { offset: 4 } });
});

it.each([
  ['the same rights', mayAll, { status: 'ok', response: { offset: 4096 } }],
  ['other rights', mayLittle, { status: 'error', response: { reason: 'unauthorized' } }],
])(
  'S101 a file that goes on while its connection is renewed by a token of %s',
  async (_what, rules, reply) => {
    const made = await site();
    const { peer, root } = await atDesk(made);
    const { ref, token } = await letIn(root, 'large', 5000);
    const sender = new Sender(peer, ref);
    await sender.join({ token, resume: true });
    sender.push('x'.repeat(4096));
    await arrived(peer);
    peer.cut();
    const next = await made.connect({ token: 'ada' });
    next.send(['j', 'j', `musubi_upload:${ref}`, 'phx_join', { token, resume: true }]);
    await arrived(next);
    Object.assign(made, { rules, tokenId: 't2' });
    next.send([null, 'renew', 'phoenix', 'access_token', { token: 'renewed' }]);
    expect(await next.reply('renew')).toMatchObject({ status: 'ok' });
    made.goOn();
    expect(await next.reply('j')).toMatchObject(reply);
  },
);

it.each([
  ['narrowed', mayLittle, 4002],
  ['revoked', null, 4001],
] as const)(
  'S101 a command of a view that goes on after its caller has had the rights %s writes nothing as them any more',
  async (_what, rules, code) => {
    const made = await site();
    const { peer, root } = await atDesk(made);
    root.push('command', { name: 'late', payload: {} });
    await made.begun;
    made.rules = rules;
    await made.clock.pass(promptMs);
    expect(await peer.closed()).toBe(code);
    made.goOn();
    expect(await made.done).toBe('unauthorized');
    expect((await http(made, 'GET', 'entry?path=late')).status).toBe(404);
  },
);

it('S101 a command of a view whose caller lost the connection, and the rights then, writes nothing as them any more', async () => {
  const made = await site();
  const { peer, root } = await atDesk(made);
  root.push('command', { name: 'late', payload: {} });
  await made.begun;
  peer.cut();
  made.rules = mayLittle;
  await made.clock.pass(promptMs);
  made.goOn();
  expect(await made.done).toBe('unauthorized');
});

it('a command of a view whose caller has the rights again writes as them', async () => {
  const made = await site();
  const { peer, root } = await atDesk(made);
  root.push('command', { name: 'late', payload: {} });
  await made.begun;
  made.rules = mayLittle;
  await made.clock.pass(promptMs);
  expect(await peer.closed()).toBe(4002);
  made.rules = mayAll;
  made.goOn();
  expect(await made.done).toBe('committed');
});

it.each([
  ['another token', 'committed', 't2'],
  ['none that was issued', 'unauthorized', null],
])(
  'a command of a view whose caller goes on by %s of the same rights, and then leaves, is told %s',
  async (_what, outcome, tokenId) => {
    const made = await site();
    const { peer, root } = await atDesk(made);
    root.push('command', { name: 'late', payload: {} });
    await made.begun;
    made.tokenId = tokenId;
    peer.send([null, 'renew', 'phoenix', 'access_token', { token: 'renewed' }]);
    expect(await peer.reply('renew')).toMatchObject({ status: 'ok' });
    peer.cut();
    await made.clock.pass(promptMs);
    made.goOn();
    expect(await made.done).toBe(outcome);
  },
);

it.each([
  ['reads', 'narrowed', mayLittle, 'lateRead'],
  ['reads', 'revoked', null, 'lateRead'],
  ['opens a store', 'revoked', null, 'lateOpening'],
] as const)(
  'S101 a command of a view that %s after its caller has had the rights %s hears nothing as them any more',
  async (_does, _what, rules, name) => {
    const made = await site();
    const { peer, root } = await atDesk(made);
    root.push('command', { name, payload: {} });
    await made.begun;
    made.rules = rules;
    await made.clock.pass(promptMs);
    await peer.closed();
    made.goOn();
    expect(await made.done).toBe('unauthorized');
  },
);

it('S101 a command of a view whose caller lost the connection, and the rights later, reads nothing as them any more', async () => {
  const made = await site();
  const { peer, root } = await atDesk(made);
  root.push('command', { name: 'lateRead', payload: {} });
  await made.begun;
  peer.cut();
  await made.clock.pass(promptMs);
  made.rules = mayLittle;
  await made.clock.pass(promptMs);
  made.goOn();
  expect(await made.done).toBe('unauthorized');
});

/** A command waits before it reads, and its caller has lost the connection: the server has heard so, and asks about them. */
async function leftBehind(made: Site, before: (asks: number) => Promise<void>): Promise<void> {
  const { peer, root } = await atDesk(made);
  root.push('command', { name: 'lateRead', payload: {} });
  await made.begun;
  const asked = deferred<void>();
  let asks = 0;
  made.before = () => {
    asked.resolve();
    asks += 1;
    return before(asks);
  };
  peer.cut();
  await asked.promise;
}

it.each([
  [
    'takes nearly two seconds',
    ({ clock }: Site): Promise<void> => new Promise((resolve) => clock.setTimeout(resolve, 1900)),
  ],
  [
    'fails every other time',
    async (_made: Site, asks: number): Promise<void> => {
      if (asks % 2 === 0) throw new Error('down');
    },
  ],
])(
  'a command of a view whose caller has lost the connection alone reads as them at any time, where it %s to say who they are',
  async (_what, before) => {
    const seconds = Array.from({ length: 12 }, (_, at) => at);
    const outcomes = seconds.map(async (second) => {
      const made = await site();
      await leftBehind(made, (asks) => before(made, asks));
      await made.clock.pass(second * 1000 + 500);
      made.goOn();
      return made.done;
    });
    expect(await Promise.all(outcomes)).toEqual(seconds.map(() => 'undefined'));
  },
);

it.each([
  [4500, 'undefined'],
  [5500, 'unauthorized'],
])(
  'a command of a view whose caller has gone, and of whom nobody can say for %i ms who they are, reads as them: %s',
  async (ms, outcome) => {
    const made = await site();
    await leftBehind(made, async () => {
      if (made.clock.now() > 0) throw new Error('down');
    });
    await made.clock.pass(ms);
    made.goOn();
    expect(await made.done).toBe(outcome);
  },
);
