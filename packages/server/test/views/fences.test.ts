import {
  app,
  type FenceGuard,
  type Fencing,
  holdfast,
  type StoreTransaction,
  upload,
  type UploadedFile,
  type ViewStore,
  type WriteGuard,
} from '@holdfast/server';
import { expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import type { Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { topic, world } from '../conversation/world.ts';
import { Root } from './root.ts';
import { Sender } from './sender.ts';

const { view } = holdfast<{ stores: { 'demo/main': { n: number } } }>();

/** Each way to write under a lease. */
const writes = {
  put: (store, fence) => store.put('n', 5, { fence }),
  delete: (store, fence) => store.delete('n', { fence }),
  merge: (store, fence) => store.merge('m', { a: 1 }, { fence }),
  increment: (store, fence) => store.increment('n', 2, { fence }),
  add: (store, fence) => store.add('s', 'x', { fence }),
  remove: (store, fence) => store.remove('s', 'w', { fence }),
  transact: (store, fence) =>
    store.transact((tx) => {
      tx.put('n', 6);
      tx.fence(fence);
      tx.increment('m/b');
    }),
  // What is at the path and the lease are both looked at.
  match: (store, fence) => store.put('n', 7, { fence, ifMatch: 1 }),
  over: (store, fence) => store.put('lock', 'over', { fence }),
} satisfies { [name: string]: (store: ViewStore, fence: Fencing) => Promise<unknown> };

const ways = z.enum(Object.keys(writes) as [keyof typeof writes]);

const desk = view({
  name: 'Desk',
  uploads: { note: upload({ accept: 'any', chunkSize: 10 }) },
  render: (_s, h) => ({ note: h.upload('note') }),
  commands: {
    save: {
      input: z.object({
        guard: z.custom<FenceGuard & WriteGuard>(),
        path: z.string().default('files/note'),
      }),
      reply: z.object({ seqs: z.array(z.number()) }),
      run: async (ctx, { guard, path }) => {
        const store = ctx.store('demo/main');
        const saved = await ctx.uploads.consume('note', async (_entry, file) =>
          file?.saveTo(store, path, guard),
        );
        return { seqs: saved.map((each) => each?.seq ?? 0) };
      },
    },
    write: {
      input: z.object({ way: ways, lease: z.custom<Fencing>(), own: z.boolean().optional() }),
      run: async (ctx, { way, lease, own }) => {
        await writes[way](ctx.store('demo/main', own === true ? { as: 'principal' } : {}), lease);
      },
    },
  },
});

const authenticate = principals({
  narrow: { pathRules: [{ pattern: 'n', allow: ['read', 'write'] }] },
});

let ids = 0;

function write(peer: Peer, op: object): ReturnType<Peer['ask']> {
  ids += 1;
  return peer.ask(topic, 'write', { client_op_id: `w${ids}`, ...op });
}

/** Uploads a file, whole. */
async function bring(peer: Peer, root: Root): Promise<void> {
  const entries = [{ client_ref: '0', name: 'a.txt', size: 4, type: 'text/plain' }];
  const wish = { store_id: [], name: 'note', entries };
  const { response } = await root.ask('allow_upload', wish);
  const grants = z.record(z.string(), z.object({ entry_ref: z.string(), token: z.string() }));
  const { entry_ref, token } = grants.parse(response['entries'])['0'] ?? {};
  const sender = new Sender(peer, String(entry_ref));
  await sender.join({ token });
  expect((await sender.chunk('text')).response).toEqual({ progress: 100 });
}

/** A store with something to write to and a lease on `lock`, and a mounted view. */
async function site(token = 'dev') {
  const { connect, joined } = await world({ app: app({ views: [desk] }), authenticate });
  const peer = await joined();
  await write(peer, { op: 'set', path: 'n', value: 1 });
  await write(peer, { op: 'add', path: 's', value: 'w' });
  const { response } = await write(peer, { op: 'lease', path: 'lock' });
  const viewer = await connect({ token, device: 'd2' });
  const root = new Root(viewer, 'Desk', 'x');
  await root.join({ module: 'Desk', id: 'x' });
  await root.envelope();
  const head = async () => (await peer.ask(topic, 'status', {})).response['current_seq'];
  const command = (way: string, lease: object, own?: boolean) =>
    root.command('write', { way, lease, own });
  const save = (guard: object, path?: string) => root.command('save', { guard, path });
  return {
    peer,
    head,
    command,
    save,
    sendIn: () => bring(viewer, root),
    lease: { key: 'lock', token: Number(response['token']) },
  };
}

it.each(Object.keys(writes))(
  'a view that writes by %s under a lease commits while it is held, and is told `fenced` once it is not (stores.md §5.1.3)',
  async (way) => {
    const { peer, head, command, lease } = await site();
    const before = await head();
    const stale = { ...lease, token: lease.token - 1 };
    const fenced = { status: 'error', response: { reason: 'fenced' } };
    expect(await command(way, stale)).toMatchObject(fenced);
    expect(await head()).toBe(before);
    expect(await command(way, { ...lease, key: ['lock'] })).toMatchObject({ status: 'ok' });
    const after = await head();
    expect(after).toBeGreaterThan(Number(before));
    await write(peer, { op: 'release', path: 'lock', token: lease.token });
    const released = await head();
    expect(await command(way, lease)).toMatchObject(fenced);
    expect(await head()).toBe(released);
  },
);

it('what names no lease is refused to a view as to a client, and nothing is written (S39)', async () => {
  const { head, command, lease } = await site();
  const before = await head();
  const odd = [
    { ...lease, key: '' },
    { ...lease, key: [1] },
    { ...lease, token: String(lease.token) },
    {},
  ];
  for (const fence of odd) {
    for (const way of ['put', 'transact']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { response } = await command(way, fence);
      expect(response).toMatchObject({ reason: 'invalid_precondition' });
    }
  }
  expect(await head()).toBe(before);
});

it('a view that writes as the principal may rely on a lease that the principal may read, and on no other (stores.md §11.2.2)', async () => {
  const narrow = await site('narrow');
  expect((await narrow.command('put', narrow.lease, true)).response).toMatchObject({
    reason: 'path_not_allowed',
  });
  const wide = await site();
  expect(await wide.command('put', wide.lease, true)).toMatchObject({ status: 'ok' });
});

it('S46 a file that a view saves under a lease is stored while it is held, and kept with `fenced` once it is not', async () => {
  const { peer, head, save, sendIn, lease } = await site();
  await sendIn();
  const before = Number(await head());
  for (const [guard, reason] of [
    [{ fence: { ...lease, token: lease.token - 1 } }, 'fenced'],
    [{ fence: lease, ifMatch: 1 }, 'conflict'],
    [{ fence: { ...lease, token: String(lease.token) } }, 'invalid_precondition'],
    [{ fence: { ...lease, key: '' } }, 'invalid_precondition'],
    [{ ifAbsent: true, ifMatch: 1 }, 'invalid_precondition'],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await save(guard)).response).toMatchObject({ reason });
  }
  expect(await head()).toBe(before);
  const seq = before + 1;
  const { response } = await save({ fence: lease, ifAbsent: true });
  expect(response).toEqual({ seqs: [seq] });
  await sendIn();
  await write(peer, { op: 'release', path: 'lock', token: lease.token });
  expect((await save({ fence: lease, ifMatch: seq })).response).toMatchObject({ reason: 'fenced' });
  expect((await save({ ifAbsent: true })).response).toMatchObject({ reason: 'exists' });
  expect((await save({ ifMatch: seq })).response).toEqual({ seqs: [seq + 2] });
});

it('a view saves no file where paths are reserved, as it writes nothing there', async () => {
  const { head, save, sendIn } = await site();
  await sendIn();
  const before = await head();
  const { response } = await save({}, '_hf:schema/note');
  expect(response).toMatchObject({ reason: 'reserved_path' });
  expect(await head()).toBe(before);
});

/** Does not compile: the transaction has a fence, of all that is in it. */
const each = (store: ViewStore, fence: Fencing): Promise<unknown> =>
  // @ts-expect-error an op of it has none
  store.transact((tx) => tx.put('n', 1, { fence }));

it('a transaction of a view is fenced as a whole, not op by op', () => {
  expectTypeOf<Parameters<ViewStore['merge']>[2]>().toEqualTypeOf<FenceGuard | undefined>();
  expectTypeOf<Parameters<UploadedFile['saveTo']>[2]>().toEqualTypeOf<
    (FenceGuard & WriteGuard) | undefined
  >();
  expectTypeOf<StoreTransaction['fence']>().toEqualTypeOf<(lease: Fencing) => void>();
  expectTypeOf(each).returns.toEqualTypeOf<Promise<unknown>>();
});
