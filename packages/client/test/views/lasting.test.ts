import { deferred } from '@holdfast/engine/registry';
import { hydrate } from '@holdfast/client/ssr';
import {
  type CachedView,
  memoryPersister,
  type Persister,
  type ViewHandle,
  waitFor,
} from '@holdfast/client/views';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { settle } from '../../../engine/test/virtual-clock.ts';
import { module, node, rootId, Scripted } from './scripted.ts';

let world: Scripted;

beforeEach(() => {
  world = new Scripted();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** A view that is live at version 1, with a token. */
async function live(): Promise<ViewHandle> {
  const page = world.client.view(module, { id: 'main' });
  await world.accept({ instance: 't1', resend: false });
  await world.show(node([], { n: 1 }));
  return page;
}

const set = (n: number): object => ({ ops: [{ op: 'replace', path: '/n', value: n }] });
const draft = { optimistic: (shown: unknown) => void Object.assign(shown as object, { n: 7 }) };
const isSeven = (shown: unknown): boolean => (shown as { n: number }).n === 7;

/** Counts who listens to a signal. */
function counted(): { readonly signal: AbortSignal; readonly listeners: () => number } {
  const { signal } = new AbortController();
  const add = vi.spyOn(signal, 'addEventListener');
  const remove = vi.spyOn(signal, 'removeEventListener');
  const gone = (): unknown[] => remove.mock.calls.map(([, listener]) => listener);
  return {
    signal,
    listeners: () => add.mock.calls.filter(([, listener]) => !gone().includes(listener)).length,
  };
}

describe('a view that lasts', () => {
  it('V19 goes on from where it was after each gap, however many there were, where an envelope came in between', async () => {
    const page = await live();
    for (let version = 1; version < 5; version++) {
      await world.patch(9, 10);
      await world.next('phx_leave');
      // From the second time on it waits a little.
      await world.clock.advance(5000);
      const join = await world.accept({ instance: 't1', resumed: true, version: version + 1 });
      expect(join.payload['resume']).toEqual({ instance: 't1', version });
      await world.patch(version, version + 1, set(version));
    }
    expect([page.proxy['n'], page.health.get().state]).toEqual([4, 'live']);
  });

  it('whose first envelope a lost connection has kept from coming is not joined again for that once it is live', async () => {
    const page = world.client.view(module, { id: 'main' });
    await world.accept({ instance: 't1' });
    await world.cut();
    await world.clock.advance(1000);
    await world.accept({ instance: 't2' });
    await world.show(node([], { n: 1 }));
    await world.clock.advance(120_000);
    expect([world.sent, page.health.get().state]).toEqual([[], 'live']);
  });

  it('V7 left before its first envelope and mounted anew is not joined again for that one', async () => {
    const page = world.client.view(module, { id: 'main' });
    await world.accept({ instance: 't1' });
    page.unmount();
    await world.clock.advance(1);
    await world.next('phx_leave');
    await live();
    await world.clock.advance(120_000);
    expect(world.sent).toEqual([]);
  });

  it('V80 may be mounted again by who is told that it is gone', async () => {
    const page = await live();
    void page.proxy.$dispatch('x', {}, draft).catch(() => undefined);
    await world.next('command');
    page.proxy.$subscribe(() => {
      if (page.proxy.$snapshot() === undefined) world.client.view(module, { id: 'main' });
    });
    page.unmount();
    await world.clock.advance(1);
    await world.next('phx_leave');
    await world.accept();
    await world.show(node([], { n: 2 }));
    expect(page.proxy['n']).toBe(2);
  });

  it('V82 tells who listens when a draft is shown, and when it is rolled back', async () => {
    const { proxy } = await live();
    const seen: unknown[] = [];
    proxy.$subscribe(() => seen.push(proxy['n']));
    const refused = expect(proxy.$dispatch('x', {}, draft)).rejects.toMatchObject({ code: 'no' });
    await world.refuse(await world.next('command'), { reason: 'no' });
    await refused;
    expect(seen).toEqual([7, 1]);
  });

  it('tells who listens of its uploads, though what reads them is fetched first', async () => {
    const { proxy } = await live();
    const read = deferred<unknown>();
    proxy.$subscribe(() => {
      const { config: known } = proxy['file'];
      if (known !== null) read.resolve(known);
    });
    const config = { accept: 'any', max_entries: 5, max_file_size: 1000, chunk_size: 4 };
    await world.patch(1, 2, {
      ops: [{ op: 'add', path: '/file', value: { __musubi_upload__: 'file' } }],
      upload_ops: [{ store_id: [], upload: 'file', op: 'config', config }],
    });
    expect(await read.promise).toMatchObject({ chunkSize: 4 });
  });

  it('tells who waits for it of what is only its own draft', async () => {
    const { proxy } = await live();
    const waiting = waitFor(proxy, isSeven);
    void proxy.$dispatch('x', {}, draft).catch(() => undefined);
    expect(await waiting).toBe(true);
  });

  it('V27 takes an answer that comes after its time for nothing', async () => {
    const { proxy } = await live();
    const late = expect(proxy.$dispatch('a', {}, { timeoutMs: 10 })).rejects.toThrow();
    const command = await world.next('command');
    await world.clock.advance(10);
    await late;
    await world.reply(command, { done: true });
    expect(world.errors).toEqual([]);
  });

  it('V84 sends nothing that was aborted before it was asked for', async () => {
    const { proxy } = await live();
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(proxy.$dispatch('a', {}, { signal })).rejects.toBe(reason);
    await settle();
    expect(world.sent).toEqual([]);
  });

  it('V27 gives up on commands in the time that the client says, unless the command says another', async () => {
    await world[Symbol.asyncDispose]();
    world = new Scripted({ timeoutMs: 20 });
    const { proxy } = await live();
    const own = proxy.$dispatch('a', {}, { timeoutMs: 30 });
    const usual = expect(proxy.$dispatch('b')).rejects.toMatchObject({ code: 'timeout' });
    const sent = [await world.next('command'), await world.next('command')];
    await world.clock.advance(20);
    await usual;
    for (const each of sent) await world.reply(each, { name: each.payload['name'] });
    expect(await own).toEqual({ name: 'a' });
  });

  it('keeps no timer for what has been answered, and no ear to a signal', async () => {
    const { proxy } = await live();
    const armed = world.clock.armed;
    const { signal, listeners } = counted();
    const sent = [
      proxy.$dispatch('a', {}, { signal }),
      proxy.$dispatch('b', {}, { signal }).catch(() => undefined),
    ];
    expect([listeners(), world.clock.armed > armed]).toEqual([2, true]);
    await world.reply(await world.next('command'));
    await world.refuse(await world.next('command'), { reason: 'no' });
    await Promise.all(sent);
    expect([listeners(), world.clock.armed]).toEqual([0, armed]);
    await waitFor(proxy, (shown) => (shown as { n: number }).n === 1, { signal, timeoutMs: 50 });
    expect([listeners(), world.clock.armed]).toEqual([0, armed]);
    const other = world.client.view(module, { id: 'main', signal });
    expect(listeners()).toBe(1);
    other.unmount();
    expect(listeners()).toBe(0);
  });

  it('looks no more for who has got what they waited for', async () => {
    const { proxy } = await live();
    const judge = vi.fn(() => true);
    await waitFor(proxy, judge);
    await world.patch(1, 2, set(2));
    expect(judge).toHaveBeenCalledTimes(1);
  });

  it('V7 is left at the end of the block that it is used in', async () => {
    {
      using page = await live();
      expect(page.proxy['n']).toBe(1);
    }
    await world.clock.advance(1);
    await world.next('phx_leave');
  });
});

describe('a view that was refused for good', () => {
  it('is asked for again by the next who wants it', async () => {
    const page = await live();
    await world.end('phx_error');
    await world.clock.advance(1000);
    await world.refuse(await world.next('phx_join'), { reason: 'unauthorized' });
    expect(page.health.get().state).toBe('failed');
    world.client.view(module, { id: 'main' });
    await world.accept({ instance: 't2' });
    await world.show(node([], { n: 2 }));
    expect([page.health.get().state, page.proxy['n']]).toEqual(['live', 2]);
    world.client.view(module, { id: 'main' });
    await settle();
    expect(world.sent).toEqual([]);
  });

  it('V5 where the server joined another root leaves that, and shows what it has', async () => {
    const page = await live();
    await world.end('phx_error');
    await world.clock.advance(1000);
    await world.accept({ root_id: 'App.Board:other' });
    expect((await world.next('phx_leave')).payload).toEqual({});
    expect([page.proxy['n'], page.health.get()]).toMatchObject([
      1,
      { state: 'failed', error: { code: 'protocol' } },
    ]);
  });
});

describe('a view whose connection is given up', () => {
  const badToken = 4001;

  it('rejects with the reason where it was never live, and is gone', async () => {
    const page = world.client.view(module, { id: 'main' });
    await world.next('phx_join');
    await world.cut(badToken);
    await expect(page.ready).rejects.toMatchObject({ code: 'unauthorized' });
    expect(page.health.get()).toMatchObject({ state: 'failed', error: { code: 'unauthorized' } });
    expect(world.client.inspect()).toMatchObject({ views: [] });
  });

  it('shows what it has and says why, refuses what would wait in vain, and goes on once it is tried again', async () => {
    const page = await live();
    await world.cut(badToken);
    expect(page.proxy['n']).toBe(1);
    expect(page.health.get()).toMatchObject({ state: 'failed', error: { code: 'unauthorized' } });
    await expect(page.proxy.$dispatch('x')).rejects.toMatchObject({ code: 'unauthorized' });
    const connected = world.client.connect();
    expect(page.health.get().state).toBe('stale');
    const sent = page.proxy.$dispatch('x');
    await world.accept({ instance: 't1', resumed: true });
    await connected;
    expect(page.health.get()).toMatchObject({ state: 'live' });
    expect(page.health.get()).not.toHaveProperty('error');
    await world.reply(await world.next('command'), { done: true });
    expect(await sent).toEqual({ done: true });
  });

  it('while the envelope of its join was awaited does not ask for that later', async () => {
    const page = await live();
    await world.end('phx_error');
    await world.clock.advance(1000);
    await world.accept({ instance: 't2' });
    await world.cut(badToken);
    await world.clock.advance(120_000);
    expect([world.sent, world.urls.length, page.health.get().state]).toEqual([[], 1, 'failed']);
  });
});

const kept = (n: number): CachedView => ({
  tree: node([], { n }) as never,
  updatedAt: 0,
  buster: '',
});

function broken(): never {
  throw new Error('broken');
}

describe('what a view begins with', () => {
  it('V83 tells who listens when what was kept comes later than they do', async () => {
    const [asked, answer] = [deferred<void>(), deferred<CachedView>()];
    const get: Persister['get'] = () => {
      asked.resolve();
      return answer.promise;
    };
    const persister: Persister = { ...memoryPersister(), get };
    await using late = new Scripted({ viewCache: { persister } });
    const { proxy } = late.client.view(module, { id: 'main', cache: true });
    const told = vi.fn();
    proxy.$subscribe(told);
    const waiting = waitFor(proxy, isSeven);
    await asked.promise;
    answer.resolve(kept(7));
    expect(await waiting).toBe(true);
    expect(told).toHaveBeenCalledTimes(1);
  });

  it('V83 is what was kept of its params, also where nobody is asked yet', async () => {
    const get = vi.fn((key: string) => (key.endsWith('{"room":"a"}]') ? kept(1) : undefined));
    const persister: Persister = { ...memoryPersister(), get };
    await using still = new Scripted({ viewCache: { persister } });
    const options = { id: 'main', params: { room: 'a' }, cache: true, join: false };
    const page = still.client.view(module, options);
    await page.ready;
    expect([page.proxy['n'], page.fromCache, still.sent]).toEqual([1, true, []]);
  });

  it('V83 is told of where it cannot be read or written, and the view goes on', async () => {
    const told = deferred<void>();
    const persister: Persister = { ...memoryPersister(), get: broken, set: broken };
    const errors: unknown[] = [];
    const onError = (error: unknown): void => {
      errors.push(error);
      told.resolve();
    };
    await using shelf = new Scripted({ viewCache: { persister } }, { onError });
    const page = shelf.client.view(module, { id: 'main', cache: true });
    await shelf.accept();
    await shelf.show(node([], { n: 1 }));
    await told.promise;
    await shelf.patch(1, 2, set(2));
    page.unmount();
    await shelf.clock.advance(1000);
    expect(errors).toMatchObject([{ message: 'broken' }, { message: 'broken' }]);
  });

  it('V88 is what the server rendered for its first mount alone', async () => {
    const initialData = { tree: node([], { n: 1 }), stream_ops: [] };
    const views = [{ root: rootId, params: '{}', initialData }];
    const seed = { v: 1, principal: '', stores: [], queries: [], envelopes: [], views };
    hydrate(world.client, JSON.stringify(seed));
    const first = world.client.view(module, { id: 'main' });
    expect(first.proxy['n']).toBe(1);
    await world.accept();
    await world.show(node([], { n: 2 }));
    first.unmount();
    await world.clock.advance(1);
    await world.next('phx_leave');
    const again = world.client.view(module, { id: 'main' });
    expect(again.proxy.$snapshot()).toBe(undefined);
  });
});
