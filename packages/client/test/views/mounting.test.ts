import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { settle } from '../../../engine/test/virtual-clock.ts';
import { module, node, rootId, Scripted } from './scripted.ts';

let world: Scripted;

beforeEach(() => {
  world = new Scripted();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const open = (params = {}): ReturnType<Scripted['client']['view']> =>
  world.client.view(module, { id: 'main', params });

describe('a view', () => {
  it('that is not to join asks nothing, whatever its params are, until somebody wants it', async () => {
    const initialData = { tree: node([], { n: 1 }) as never };
    const still = world.client.view(module, { id: 'main', join: false, initialData });
    const set = still.setParams({ room: 'r2' });
    await settle();
    expect(world.sent).toEqual([]);
    open({ room: 'r2' });
    const join = await world.accept();
    expect(join.payload['params']).toEqual({ room: 'r2' });
    await world.show(node([], { n: 2 }));
    await set;
    expect(still.proxy['n']).toBe(2);
  });

  it('is a proxy at once, and readable when the first envelope is there', async () => {
    const page = open({ room: 'r1' });
    expect([page.proxy['title'], page.proxy.$snapshot(), page.health.get().state]).toEqual([
      undefined,
      undefined,
      'mounting',
    ]);
    const join = await world.accept();
    expect(join.payload).toEqual({
      module,
      id: 'main',
      params: { room: 'r1' },
      capver: 4,
      resume: { instance: null, version: 0 },
    });
    expect(page.health.get().state).toBe('mounting');
    await world.show(
      node([], {
        title: 'a',
        card: node(['card'], { open: true }),
        cards: [node(['c', '1'], { n: 1 })],
      }),
    );
    expect(await page.ready).toBe(page.proxy);
    const root = page.proxy;
    expect([root['title'], root['card'].open, root['card'].$id, root['cards'][0].n]).toEqual([
      'a',
      true,
      ['card'],
      1,
    ]);
    expect(root.$snapshot()).toEqual({ title: 'a', card: { open: true }, cards: [{ n: 1 }] });
    expect([root['card'] === root['card'], root['cards'] === root['cards']]).toEqual([true, true]);
    expect(page.health.get()).toEqual({ state: 'live', since: 0, attempts: 0 });
    expect(Object.keys(root)).toEqual(['title', 'card', 'cards']);
    expect('title' in root).toBe(true);
    expect(() => {
      (root as unknown as { title: string }).title = 'b';
    }).toThrow(TypeError);
    expect(root['then']).toBe(undefined);
  });

  it('V5 rejects where the server joined another root', async () => {
    const page = open();
    await world.accept({ root_id: 'App.Board:other' });
    await expect(page.ready).rejects.toMatchObject({ code: 'protocol' });
    expect(page.health.get().state).toBe('failed');
  });

  it('V6 a second mount with equal params is the same proxy without a frame, with others an error', async () => {
    const [one, two] = [open({ a: 1, b: { c: 2 } }), open({ b: { c: 2 }, a: 1 })];
    await world.accept();
    await settle();
    expect(world.sent).toEqual([]);
    expect(two.proxy).toBe(one.proxy);
    expect(() => open({ a: 2 })).toThrow(expect.objectContaining({ code: 'option_mismatch' }));
    expect(() =>
      world.client.view(module, { id: 'main', params: { a: 1, b: { c: 2 } }, cache: true }),
    ).toThrow();
  });

  it('V7 leaves once when nobody holds it any more, and not where it is mounted again in the same tick', async () => {
    const page = open();
    await world.accept();
    await world.show(node([]));
    const other = open();
    page.unmount();
    page.unmount();
    await world.clock.advance(10);
    expect(world.sent).toEqual([]);
    other.unmount();
    const again = open();
    await world.clock.advance(10);
    expect(world.sent).toEqual([]);
    again.unmount();
    await world.clock.advance(10);
    expect((await world.next('phx_leave')).payload).toEqual({});
    await world.clock.advance(1000);
    expect(world.sent).toEqual([]);
    expect(page.health.get().state).toBe('unmounted');
  });

  it('gives way to other params at once where nobody holds it', async () => {
    const page = open({ a: 1 });
    await world.accept();
    page.unmount();
    const other = open({ a: 2 });
    await world.next('phx_leave');
    expect((await world.accept()).payload['params']).toEqual({ a: 2 });
    await world.show(node([], { a: 2 }));
    expect((await other.ready).$snapshot()).toEqual({ a: 2 });
    await world.clock.advance(10);
    expect(world.sent).toEqual([]);
  });

  it('V27 a first join that is refused rejects with the reason, whatever it is, and the root is gone', async () => {
    for (const reason of ['unknown root', 'some reason of an app', 'internal error']) {
      const page = open();
      await world.refuse(await world.next('phx_join'), { reason, issues: [] });
      await expect(page.ready).rejects.toMatchObject({ code: reason, details: { issues: [] } });
      await expect(page.revalidated).rejects.toMatchObject({ code: reason });
      expect(page.health.get()).toMatchObject({ state: 'failed', error: { code: reason } });
      await world.clock.advance(60_000);
      expect(world.sent).toEqual([]);
    }
  });

  it('V80 a proxy of an unmounted root reads undefined, and the new state when it is mounted again', async () => {
    const page = open();
    await world.accept();
    await world.show(node([], { a: 1, child: node(['child'], { b: 1 }) }));
    const { proxy } = page;
    const child = proxy['child'];
    let told = 0;
    proxy.$subscribe(() => (told += 1));
    page.unmount();
    await world.clock.advance(1);
    await world.next('phx_leave');
    expect([proxy['a'], proxy.$snapshot(), child.$snapshot(), told]).toEqual([
      undefined,
      undefined,
      undefined,
      1,
    ]);
    await expect(proxy.$dispatch('x')).rejects.toMatchObject({ code: 'closed' });
    const again = open();
    await world.accept();
    await world.show(node([], { a: 2, child: node(['child'], { b: 2 }) }));
    expect(again.proxy).toBe(proxy);
    expect([proxy['a'], proxy['child'] === child, child.b, told]).toEqual([2, true, 2, 2]);
  });

  it('V84 an aborted signal ends the wait, and the mount that nobody else holds', async () => {
    const reason = new Error('enough');
    const later = new AbortController();
    const [one, two] = [AbortSignal.abort(reason), later.signal].map((signal, at) =>
      world.client.view(module, { id: at === 0 ? 'one' : 'two', signal }),
    );
    await expect(one?.ready).rejects.toBe(reason);
    await world.next('phx_join');
    const second = await world.next('phx_join');
    expect(second.payload['id']).toBe('two');
    await world.clock.advance(1);
    expect((await world.next('phx_leave')).topic).toContain('one');
    expect(world.sent).toEqual([]);
    // As well where it is aborted on the way.
    later.abort(reason);
    await expect(two?.ready).rejects.toBe(reason);
    await world.clock.advance(1);
    expect((await world.next('phx_leave')).topic).toContain('two');
  });

  it('V81 params that are set go to the server now, and with each later join', async () => {
    const page = open({ room: 'a' });
    await world.accept({ instance: 't1' });
    await world.show(node([], { room: 'a' }));
    const done = page.setParams({ room: 'b' });
    const push = await world.next('params');
    expect(push.payload['params']).toEqual({ room: 'b' });
    await world.reply(push, {}, { version: 2 });
    await world.patch(1, 2, { ops: [{ op: 'replace', path: '/room', value: 'b' }] });
    await done;
    expect(page.params).toEqual({ room: 'b' });
    await world.cut();
    await world.clock.advance(1000);
    expect((await world.next('phx_join')).payload).toMatchObject({
      params: { room: 'b' },
      resume: { instance: 't1', version: 2 },
    });
  });

  it('of params that are set while others are asked for the last are asked for, once', async () => {
    const page = open({ room: 'a' });
    await world.accept({ instance: 't1' });
    await world.show(node([], { room: 'a' }));
    const done = ['b', 'c', 'd'].map((room) => page.setParams({ room }));
    await world.refuse(await world.next('params'), { reason: 'invalid_params', issues: [] });
    const push = await world.next('params');
    expect(push.payload['params']).toEqual({ room: 'd' });
    await world.reply(push, {}, { version: 1 });
    await Promise.all(done);
    expect([page.params, world.sent]).toEqual([{ room: 'd' }, []]);
    let isBack = false;
    void page.setParams({ room: 'e' });
    const back = page.setParams({ room: 'd' }).then(() => (isBack = true));
    await world.reply(await world.next('params'), {}, { version: 1 });
    expect(isBack).toBe(false);
    await world.reply(await world.next('params'), {}, { version: 1 });
    await back;
  });

  it('params that are not answered are refused, and those before are what counts', async () => {
    const page = open({ room: 'a' });
    await world.accept({ instance: 't1' });
    await world.show(node([], { room: 'a' }));
    const done = page.setParams({ room: 'b' });
    await world.next('params');
    const late = expect(done).rejects.toMatchObject({ code: 'timeout' });
    await world.clock.advance(35_000);
    await late;
    expect([page.params, world.sent]).toEqual([{ room: 'a' }, []]);
  });

  it('params that the view cannot change lead to another mount, those that are wrong leave the old ones', async () => {
    const page = open({ room: 'a' });
    await world.accept({ instance: 't1' });
    await world.show(node([], { room: 'a' }));
    const wrong = page.setParams({ room: 7 });
    await world.refuse(await world.next('params'), { reason: 'invalid_params', issues: [] });
    await expect(wrong).rejects.toMatchObject({ code: 'invalid_params' });
    expect(page.params).toEqual({ room: 'a' });
    const done = page.setParams({ room: 'b' });
    await world.refuse(await world.next('params'), { reason: 'unsupported' });
    expect(page.proxy['room']).toBe('a');
    await world.next('phx_leave');
    const join = await world.accept();
    expect(join.payload).toMatchObject({ params: { room: 'b' }, resume: { instance: null } });
    expect(page.proxy['room']).toBe('a');
    await world.show(node([], { room: 'b' }));
    await done;
    expect(page.proxy['room']).toBe('b');
  });

  it('needs views among the options of the client, and says so; names are checked', () => {
    const bare = new Scripted({}, { views: undefined } as never);
    expect(() => bare.client.view(module)).toThrow(/views: views\(…\)/);
    expect(() => world.client.view('no name')).toThrow(TypeError);
    expect(() => world.client.view(module, { id: '' })).toThrow(TypeError);
    expect(() => world.client.view(module, { strange: 1 } as never)).toThrow(TypeError);
    return bare.client.close();
  });

  it('ends with the client', async () => {
    const page = open();
    await world.accept();
    await world.show(node([], { a: 1 }));
    const sent = page.proxy.$dispatch('x');
    await world.client.close();
    await expect(sent).rejects.toMatchObject({ code: 'closed' });
    expect([page.health.get().state, page.proxy.$snapshot()]).toEqual(['unmounted', undefined]);
    expect(() => open()).toThrow(expect.objectContaining({ code: 'closed' }));
    expect(world.errors).toEqual([]);
  });

  it('is seen when one looks inside', async () => {
    open({ a: 1 });
    await world.accept();
    await world.show(node([]), 7);
    expect(world.client.inspect()).toMatchObject({
      views: [{ view: rootId, state: 'live', version: 7, params: { a: 1 } }],
    });
  });
});
