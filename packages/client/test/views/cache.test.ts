import {
  type CachedView,
  memoryPersister,
  type Persister,
  type ViewCacheOptions,
  webStoragePersister,
  views,
} from '@holdfast/client/views';
import { describe, expect, it, vi } from 'vitest';
import { settle } from '../../../engine/test/virtual-clock.ts';
import { module, node, Scripted } from './scripted.ts';

/** A client that has seen the view before, with these options. */
async function after(
  viewCache: ViewCacheOptions,
  before: ViewCacheOptions = viewCache,
): Promise<Scripted> {
  let writes = 0;
  const { persister } = before;
  const set: Persister['set'] = (key, entry) => {
    writes += 1;
    return persister.set(key, entry);
  };
  const first = new Scripted({ viewCache: { ...before, persister: { ...persister, set } } });
  const page = first.client.view(module, { id: 'main', cache: true });
  await first.accept();
  await first.show(node([], { n: 1, log: { __musubi_stream__: 'log' } }));
  await page.ready;
  // What writes is loaded when needed.
  await expect.poll(() => first.clock.advance(1000).then(() => writes)).toBe(1);
  await first.client.close();
  return new Scripted({ viewCache });
}

const leaf = (): CachedView => ({ tree: { n: 1 }, updatedAt: 0, buster: '' });

describe('the cache of a view', () => {
  it('V83 shows what was there last time, until the first envelope; commands wait for that', async () => {
    await using world = await after({ persister: memoryPersister() });
    const page = world.client.view(module, { id: 'main', cache: true });
    await page.ready;
    expect([
      page.proxy.$snapshot(),
      page.fromCache,
      page.isFetching,
      page.health.get().state,
    ]).toEqual([{ n: 1, log: [] }, true, true, 'mounting']);
    const sent = page.proxy.$dispatch('x');
    const join = await world.accept();
    expect(join.payload['resume']).toEqual({ instance: null, version: 0 });
    expect(world.sent).toEqual([]);
    const before = page.proxy['log'];
    await world.show(node([], { n: 2, log: { __musubi_stream__: 'log' } }));
    await page.revalidated;
    expect([
      page.proxy['n'],
      page.proxy['log'] === before,
      page.fromCache,
      page.isFetching,
    ]).toEqual([2, true, false, false]);
    await world.reply(await world.next('command'));
    await sent;
  });

  it.each([
    [
      'another buster',
      (kept: Persister) => [
        { persister: kept, buster: '2' },
        { persister: kept, buster: '1' },
      ],
    ],
    [
      'another scope',
      (kept: Persister) => [
        { persister: kept, scope: 'b' },
        { persister: kept, scope: 'a' },
      ],
    ],
    [
      'an entry that is too old',
      (kept: Persister) => [{ persister: kept, gcTime: -10_000 }, { persister: kept }],
    ],
    [
      'a persister that throws',
      (kept: Persister) => [
        {
          persister: {
            ...kept,
            get: () => {
              throw new Error('broken');
            },
          },
        },
        { persister: kept },
      ],
    ],
  ] as const)('V83 shows nothing of %s', async (_, options) => {
    const [now, then] = options(memoryPersister()) as [ViewCacheOptions, ViewCacheOptions];
    await using world = await after(now, then);
    const page = world.client.view(module, {
      id: 'main',
      cache: true,
      initialData: { tree: node([], { n: 0 }) as never },
    });
    await page.ready;
    // What the server rendered is shown instead.
    expect([page.proxy.$snapshot(), page.fromCache]).toEqual([{ n: 0 }, false]);
    await world.accept();
    await world.show(node([], { n: 2 }));
    expect(page.proxy['n']).toBe(2);
  });

  it.each([
    [1000, undefined, 301_000, true],
    [1000, undefined, 301_001, false],
    [1000, 50, 1050, true],
    [1000, 50, 1051, false],
  ])(
    'V83 an entry that was kept at %d ms, with a gcTime of %s, is shown at %d ms: %s',
    async (updatedAt, gcTime, now, isShown) => {
      const entry: CachedView = { tree: node([], { n: 1 }) as never, updatedAt, buster: '' };
      let asked = 0;
      const get: Persister['get'] = () => {
        asked += 1;
        return entry;
      };
      const persister: Persister = { ...memoryPersister(), get };
      const cache = { ...(gcTime !== undefined && { gcTime }) };
      await using world = new Scripted({ viewCache: { persister, ...cache } });
      await world.clock.advance(now);
      const page = world.client.view(module, { id: 'main', cache: true });
      await world.next('phx_join');
      await expect.poll(() => asked).toBe(1);
      expect([page.fromCache, page.proxy['n']]).toEqual(isShown ? [true, 1] : [false, undefined]);
    },
  );

  it('V83 that answers later than the server loses', async () => {
    const answers: ((entry: CachedView) => void)[] = [];
    const slow: Persister = {
      ...memoryPersister(),
      get: () => new Promise((resolve) => answers.push(resolve)),
    };
    await using world = new Scripted({ viewCache: { persister: slow } });
    const page = world.client.view(module, { id: 'main', cache: true });
    await world.accept();
    await world.show(node([], { n: 2 }));
    await expect.poll(() => answers.length).toBe(1);
    answers[0]?.({ tree: node([], { n: 1 }) as never, updatedAt: 0, buster: '' });
    await settle();
    expect([page.proxy['n'], page.fromCache]).toEqual([2, false]);
  });

  it('V83 that answers when the join was refused already shows nothing, and forgets what it had', async () => {
    const kept = new Map<string, CachedView>();
    const answers: (() => void)[] = [];
    const slow: Persister = {
      get: (key) => {
        const entry = kept.get(key);
        return new Promise((resolve) => answers.push(() => resolve(entry)));
      },
      set: (key, entry) => void kept.set(key, entry),
      delete: (key) => void kept.delete(key),
      clear: () => kept.clear(),
    };
    const key = JSON.stringify(['', module, 'main', {}]);
    kept.set(key, { tree: node([], { n: 1 }) as never, updatedAt: 0, buster: '' });
    await using world = new Scripted({ viewCache: { persister: slow } });
    const page = world.client.view(module, { id: 'main', cache: true });
    await expect.poll(() => answers.length).toBe(1);
    await world.refuse(await world.next('phx_join'), { reason: 'unauthorized' });
    await expect(page.ready).rejects.toMatchObject({ code: 'unauthorized' });
    answers[0]?.();
    await settle();
    expect([page.fromCache, page.proxy.$snapshot(), kept.size]).toEqual([false, undefined, 0]);
  });

  it('V83 tells of a refused join though something is shown, and shows it no more', async () => {
    await using world = await after({ persister: memoryPersister() });
    const page = world.client.view(module, { id: 'main', cache: true });
    await page.ready;
    await world.refuse(await world.next('phx_join'), { reason: 'unauthorized' });
    await expect(page.revalidated).rejects.toMatchObject({ code: 'unauthorized' });
    expect(page.proxy.$snapshot()).toBe(undefined);
  });

  it('is written at most once a second, and at last', async () => {
    const writes: unknown[] = [];
    const get = vi.fn(() => undefined);
    const counting: Persister = {
      ...memoryPersister(),
      get,
      set: (_, entry) => writes.push((entry.tree as { n: number }).n),
    };
    await using world = new Scripted({ viewCache: { persister: counting } });
    const page = world.client.view(module, { id: 'main', cache: true });
    await expect.poll(() => [world.sent.length, get.mock.calls.length]).toEqual([1, 1]);
    await settle();
    await world.accept();
    await world.show(node([], { n: 0 }));
    for (let n = 1; n <= 20; n++) {
      await world.patch(n, n + 1, { ops: [{ op: 'replace', path: '/n', value: n }] });
      await world.clock.advance(100);
    }
    expect(writes).toEqual([10, 20]);
    await world.patch(21, 22, { ops: [{ op: 'replace', path: '/n', value: 21 }] });
    page.unmount();
    await world.clock.advance(1);
    expect(writes).toEqual([10, 20, 21]);
  });

  it.each(['after their answer', 'in one breath with it'])(
    'keeps a tree under the params that it is of, where it comes %s',
    async (order) => {
      const kept: unknown[] = [];
      const get = vi.fn(() => undefined);
      const persister: Persister = {
        ...memoryPersister(),
        get,
        set: (key, entry) => kept.push([key, (entry.tree as { n: number }).n]),
      };
      await using world = new Scripted({ viewCache: { persister } });
      const page = world.client.view(module, { id: 'main', params: { room: 'a' }, cache: true });
      await expect.poll(() => [world.sent.length, get.mock.calls.length]).toEqual([1, 1]);
      await settle();
      await world.accept();
      await world.show(node([], { n: 1 }));
      const done = page.setParams({ room: 'b' });
      await world.clock.advance(1000);
      const answered = world.reply(await world.next('params'), {}, { version: 2 });
      if (order === 'after their answer') await answered;
      await world.patch(1, 2, { ops: [{ op: 'replace', path: '/n', value: 2 }] });
      await Promise.all([answered, done]);
      await world.clock.advance(1000);
      // What was written is not written again at last.
      page.unmount();
      await world.clock.advance(1);
      expect(kept).toEqual([
        [JSON.stringify(['', module, 'main', { room: 'a' }]), 1],
        [JSON.stringify(['', module, 'main', { room: 'b' }]), 2],
      ]);
    },
  );

  it('needs a scope where it outlives the page, and a persister where a view wants it', async () => {
    const storage = new Map<string, string>();
    const persister = webStoragePersister({
      getItem: (key) => storage.get(key) ?? null,
      setItem: (key, value) => void storage.set(key, value),
      removeItem: (key) => void storage.delete(key),
      key: (index) => [...storage.keys()][index] ?? null,
      get length() {
        return storage.size;
      },
    });
    expect(() => views({ viewCache: { persister } })).toThrow(/scope/);
    await using world = await after({ persister, scope: 'ada' });
    const page = world.client.view(module, { id: 'main', cache: true });
    await page.ready;
    expect(page.fromCache).toBe(true);
    storage.set('other', 'x');
    await persister.clear();
    expect([...storage.keys()]).toEqual(['other']);
    await using bare = new Scripted();
    expect(() => bare.client.view(module, { cache: true })).toThrow(/viewCache/);
  });

  it('V88 what the server rendered is shown at once, streams too', async () => {
    await using world = new Scripted();
    const insert = {
      op: 'insert',
      stream: 'log',
      ref: '0',
      store_id: [],
      item_key: 'a',
      at: -1,
      item: 'a',
      limit: null,
    } as const;
    const page = world.client.view(module, {
      id: 'main',
      initialData: {
        tree: node([], { log: { __musubi_stream__: 'log' } }) as never,
        stream_ops: [insert],
      },
    });
    expect(page.proxy.$snapshot()).toEqual({ log: ['a'] });
    expect(await page.ready).toBe(page.proxy);
  });

  it('shows nobody again what the server has refused to show them', async () => {
    const persister = memoryPersister();
    await using world = await after({ persister });
    const page = world.client.view(module, { id: 'main', cache: true });
    await page.ready;
    await world.refuse(await world.next('phx_join'), { reason: 'unauthorized' });
    await expect(page.revalidated).rejects.toMatchObject({ code: 'unauthorized' });
    const again = world.client.view(module, { id: 'main', cache: true });
    await world.next('phx_join');
    expect([again.fromCache, again.proxy.$snapshot()]).toEqual([false, undefined]);
  });

  it('shows nobody again what the server refuses to show them when it is joined again', async () => {
    const kept = memoryPersister();
    let writes = 0;
    const set: Persister['set'] = (key, entry) => {
      writes += 1;
      return kept.set(key, entry);
    };
    const viewCache = { persister: { ...kept, set } };
    await using world = new Scripted({ viewCache });
    const page = world.client.view(module, { id: 'main', cache: true });
    await world.accept();
    await world.show(node([], { n: 1 }));
    await expect.poll(() => world.clock.advance(1000).then(() => writes)).toBe(1);
    await world.end('phx_error');
    await expect.poll(() => world.clock.advance(1000).then(() => world.sent.length)).toBe(1);
    await world.refuse(await world.next('phx_join'), { reason: 'unauthorized' });
    expect([page.health.get().state, page.proxy['n']]).toEqual(['failed', 1]);
    page.unmount();
    await using next = new Scripted({ viewCache });
    const again = next.client.view(module, { id: 'main', cache: true });
    await next.next('phx_join');
    expect([again.fromCache, again.proxy.$snapshot()]).toEqual([false, undefined]);
  });

  it('takes what is no tree for nothing', async () => {
    const persister = memoryPersister();
    await using world = await after({ persister: { ...persister, get: leaf } }, { persister });
    const page = world.client.view(module, { id: 'main', cache: true });
    await world.accept();
    expect([page.fromCache, page.health.get().state]).toEqual([false, 'mounting']);
    await world.show(node([], { n: 2 }));
    expect(page.proxy['n']).toBe(2);
  });
});
