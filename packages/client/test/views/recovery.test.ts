import type { ViewHandle } from '@holdfast/client/views';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { module, node, rootId, Scripted } from './scripted.ts';

let world: Scripted;

beforeEach(() => {
  world = new Scripted();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** A view that is live at version 1, with a token. */
async function live(tree: unknown = node([], { n: 1 })): Promise<ViewHandle> {
  const page = world.client.view(module, { id: 'main' });
  await world.accept({ instance: 't1', resend: false });
  await world.show(tree);
  await page.ready;
  return page;
}

const set = (n: number): object => ({ ops: [{ op: 'replace', path: '/n', value: n }] });

describe('a view that is live', () => {
  it.each([
    ['a version gap', 3, 4, set(2)],
    ['an unknown op', 1, 2, { ops: [{ op: 'move', path: '/n' }] }],
    [
      'a bad index amid the ops',
      1,
      2,
      { ops: [...(set(2) as { ops: [] }).ops, { op: 'remove', path: '/n/0' }] },
    ],
    ['no stream ops', 1, 2, { ...set(2), stream_ops: undefined }],
    ['the envelope of another root', 1, 2, { ...set(2), root_id: 'App.Board:other' }],
  ])(
    'V5 V19 V73 leaves and joins at once where the last state was good: %s',
    async (_, from, to, rest) => {
      const page = await live();
      let told = 0;
      page.proxy.$subscribe(() => (told += 1));
      await world.patch(from, to, rest);
      const leave = await world.next('phx_leave');
      expect(leave.payload).toEqual({ keep: true });
      // What still comes of the old life is nothing to it.
      await world.patch(1, 2, set(7));
      expect([page.proxy['n'], told, page.health.get().state]).toEqual([1, 0, 'stale']);
      const join = await world.accept({ instance: 't1', resumed: true, version: 2 });
      expect(join.payload['resume']).toEqual({ instance: 't1', version: 1 });
      expect(join.joinRef).not.toBe(leave.joinRef);
      await world.patch(1, 2, set(2));
      expect([page.proxy['n'], told, page.health.get().state]).toEqual([2, 1, 'live']);
      expect(world.sent).toEqual([]);
    },
  );

  it('V19 begins anew where it fails twice at the same version, and waits longer from then on', async () => {
    const page = await live();
    await world.patch(5, 6);
    await world.next('phx_leave');
    await world.accept({ instance: 't1', resumed: true });
    await world.patch(5, 6);
    await world.next('phx_leave');
    expect(world.sent).toEqual([]);
    await world.clock.advance(30_000);
    const join = await world.accept();
    expect(join.payload).not.toHaveProperty('resume');
    expect(page.proxy['n']).toBe(1);
    await world.show(node([], { n: 3 }));
    expect([page.proxy['n'], page.health.get().state]).toEqual([3, 'live']);
  });

  it('a join that is answered, and that no envelope follows, is given up and made again', async () => {
    const page = world.client.view(module, { id: 'main' });
    await world.accept({ instance: 't1' });
    await world.clock.advance(59_000);
    expect([world.sent, page.health.get().state]).toEqual([[], 'mounting']);
    await world.clock.advance(1000);
    expect((await world.next('phx_leave')).payload).toEqual({ keep: true });
    await world.accept({ instance: 't2' });
    await world.show(node([], { n: 1 }));
    await page.ready;
    await world.clock.advance(120_000);
    expect([world.sent, page.health.get().state]).toEqual([[], 'live']);
    await world.end('phx_error');
    await world.clock.advance(1000);
    await world.accept({ instance: 't3' });
    page.unmount();
    await world.clock.advance(120_000);
    expect(world.sent.map(({ event }) => event)).toEqual(['phx_leave']);
  });

  it('V72 a lost connection leaves what is shown: live, stale, live; nothing is undefined in between', async () => {
    const page = await live(node([], { n: 1, child: node(['child'], { m: 1 }) }));
    const [before, child] = [page.proxy.$snapshot(), page.proxy['child']];
    const states: string[] = [];
    page.health.subscribe(() => states.push(page.health.get().state));
    let [remounts, told] = [0, 0];
    page.onRemount(() => (remounts += 1));
    page.proxy.$subscribe(() => (told += 1));
    await world.cut();
    expect([page.proxy.$snapshot() === before, page.proxy['child'] === child]).toEqual([
      true,
      true,
    ]);
    await world.clock.advance(1000);
    await world.accept({ instance: 't1', resumed: true });
    expect(states.filter((state, at) => state !== states[at - 1])).toEqual(['stale', 'live']);
    await world.patch(1, 2, set(2));
    expect([page.proxy['n'], remounts, told]).toEqual([2, 0, 1]);
  });

  it('V60 with nothing missed it is live at once, with what was missed it shows just that', async () => {
    const page = await live();
    await world.cut();
    await world.clock.advance(1000);
    await world.accept({ instance: 't1', resumed: true, version: 1 });
    expect(page.health.get()).toMatchObject({ state: 'live', instance: 't1', attempts: 0 });
    await world.cut();
    await world.clock.advance(1000);
    await world.accept({ instance: 't1', resumed: true, version: 4 });
    for (const version of [2, 3, 4]) await world.patch(version - 1, version, set(version));
    expect(page.proxy['n']).toBe(4);
    expect(world.sent).toEqual([]);
  });

  it('V77 a mount anew with an equal tree tells nobody, and says that it was one', async () => {
    const page = await live();
    const before = page.proxy.$snapshot();
    let [told, remounts] = [0, 0];
    page.proxy.$subscribe(() => (told += 1));
    page.onRemount(() => (remounts += 1));
    await world.cut();
    await world.clock.advance(1000);
    await world.accept({ instance: 't2' });
    await world.patch(1, 2, set(9));
    await world.next('phx_leave');
    await world.clock.advance(1000);
    await world.accept({ instance: 't3' });
    await world.show(node([], { n: 1 }));
    expect([page.proxy.$snapshot() === before, told, remounts]).toEqual([true, 0, 1]);
    await world.show(node([], { n: 2 }), 5);
    expect([page.proxy['n'], told]).toEqual([2, 1]);
  });

  it.each(['phx_close', 'phx_error'] as const)(
    'V74 joins again after %s, with what it knows',
    async (event) => {
      const page = await live();
      await world.end(event);
      expect(page.health.get().state).toBe('stale');
      await world.clock.advance(1000);
      const join = await world.accept({ instance: 't2' });
      expect(join.payload['resume']).toEqual({ instance: 't1', version: 1 });
      await world.show(node([], { n: 5 }));
      expect([page.proxy['n'], page.health.get().state]).toEqual([5, 'live']);
    },
  );

  it('V10 fails for good where the join is refused for a reason that lasts, until another connection', async () => {
    const page = await live();
    await world.end('phx_error');
    await world.clock.advance(1000);
    await world.refuse(await world.next('phx_join'), { reason: 'unauthorized' });
    expect(page.health.get()).toMatchObject({ state: 'failed', error: { code: 'unauthorized' } });
    expect(page.proxy['n']).toBe(1);
    await world.clock.advance(100_000);
    expect(world.sent).toEqual([]);
    await world.cut();
    await world.clock.advance(1000);
    await world.accept({ instance: 't2' });
    await world.show(node([], { n: 2 }));
    expect(page.health.get().state).toBe('live');
  });

  it('that has failed for good is told of once, by its name, and takes no command that would wait in vain', async () => {
    const page = await live();
    await world.end('phx_error');
    await world.clock.advance(1000);
    await world.refuse(await world.next('phx_join'), { reason: 'unknown root' });
    const told = { code: 'unknown root', details: { view: rootId } };
    expect(world.errors).toMatchObject([told]);
    await expect(page.proxy.$dispatch('go')).rejects.toMatchObject(told);
    await expect(
      page.proxy.$dispatch(
        'go',
        {},
        { optimistic: (draft) => void Object.assign(draft as object, { n: 7 }) },
      ),
    ).rejects.toMatchObject(told);
    expect([page.proxy['n'], world.errors.length]).toEqual([1, 1]);
  });

  it('that has failed for good stays so while a connection is doubted that goes on', async () => {
    const page = await live();
    await world.end('phx_error');
    await world.clock.advance(1000);
    await world.refuse(await world.next('phx_join'), { reason: 'unauthorized' });
    world.hint('offline');
    expect(world.client.status.get().connection).toBe('offline');
    await world.clock.advance(100);
    expect(world.client.status.get()).toMatchObject({ connection: 'connected', isSynced: true });
    expect(page.health.get().state).toBe('failed');
    await expect(page.proxy.$dispatch('go')).rejects.toMatchObject({ code: 'unauthorized' });
  });

  it('V76 joins that fail in a loop are attempts that rise, whatever the connection says', async () => {
    const page = await live();
    await world.end('phx_error');
    for (let attempt = 1; attempt <= 4; attempt++) {
      await world.clock.advance(10_000);
      await world.refuse(await world.next('phx_join'), { reason: 'some trouble' });
      expect(page.health.get()).toMatchObject({
        state: 'stale',
        attempts: attempt,
        error: { code: 'some trouble' },
      });
      expect(world.client.status.get().connection).toBe('connected');
    }
    await world.clock.advance(10_000);
    await world.accept();
    await world.show(node([], { n: 2 }));
    expect(page.health.get()).toEqual({
      state: 'live',
      since: expect.any(Number) as number,
      attempts: 0,
    });
  });

  it('V75 all roots are joined anew on every connection', async () => {
    const page = await live();
    const other = world.client.view(module, { id: 'other' });
    await world.next('phx_join');
    await world.cut();
    await world.clock.advance(1000);
    expect([
      (await world.next('phx_join')).payload['id'],
      (await world.next('phx_join')).payload['id'],
    ]).toEqual(['main', 'other']);
    void [page, other];
  });

  it('V75 when a frozen page wakes, whose connection has died and nobody was told, all roots are joined anew', async () => {
    const page = await live();
    const other = world.client.view(module, { id: 'other' });
    await world.accept({ instance: 't2' });
    await world.show(node([], { n: 5 }), 1, `musubi:connection:${module}:other`);
    world.isDead = true;
    world.hint('woke');
    // Whether it lives is asked, and not waited for as long as usual.
    await world.clock.advance(5000);
    const joins = [await world.next('phx_join'), await world.next('phx_join')];
    expect(joins.map(({ payload }) => [payload['id'], payload['resume']])).toEqual([
      ['main', { instance: 't1', version: 1 }],
      ['other', { instance: 't2', version: 1 }],
    ]);
    expect([page.proxy['n'], other.proxy['n'], world.urls.length]).toEqual([1, 5, 2]);
    expect([page.health.get().state, other.health.get().state]).toEqual(['stale', 'stale']);
  });

  it('names the node of its instance when it connects again, for whoever routes by it (views.md §4.5)', async () => {
    world.client.view(module, { id: 'main' });
    await world.accept({ instance: 'n1.unguessable' });
    await world.cut();
    await world.clock.advance(1000);
    const nodes = world.urls.map((url) => new URL(url).searchParams.get('node'));
    expect(nodes).toEqual([null, 'n1']);
    expect(world.urls.join()).not.toContain('unguessable');
  });

  it('without resume asks for none, and is mounted anew', async () => {
    await world[Symbol.asyncDispose]();
    world = new Scripted({ resume: false });
    const page = world.client.view(module, { id: 'main' });
    expect((await world.accept()).payload).not.toHaveProperty('resume');
    await world.show(node([], { n: 1 }));
    await world.patch(7, 8);
    expect((await world.next('phx_leave')).payload).toEqual({});
    await world.accept();
    await world.show(node([], { n: 2 }));
    expect(page.proxy['n']).toBe(2);
  });

  it('V92 of a Musubi server takes its versions and its join replies, and uses nothing that it does not know', async () => {
    const page = world.client.view(module, { id: 'main' });
    const join = await world.next('phx_join');
    await world.reply(join, { root_id: 'App.Board:main' });
    await world.show(node([], { n: 1 }));
    const sent = page.proxy.$dispatch('x');
    const command = await world.next('command');
    expect(command.payload).toEqual({ store_id: [], name: 'x', payload: {} });
    await world.reply(command);
    expect(await sent).toEqual({});
    const lost = page.proxy.$dispatch('y');
    await world.next('command');
    await world.cut();
    await expect(lost).rejects.toMatchObject({
      code: 'disconnected',
      details: { mayHaveRun: true },
    });
    await world.clock.advance(1000);
    await world.reply(await world.next('phx_join'), { root_id: 'App.Board:main' });
    await world.show(node([], { n: 2 }));
    expect(page.proxy['n']).toBe(2);
    const done = page.setParams({ room: 'b' });
    expect((await world.next('phx_leave')).payload).toEqual({});
    await world.reply(await world.next('phx_join'), { root_id: 'App.Board:main' });
    await world.show(node([], { n: 3 }));
    await done;
  });

  it('V28 sends no command again over the next connection that was answered over the last one', async () => {
    const { proxy } = await live();
    const done = proxy.$dispatch('a', {}, { idempotent: true });
    await world.reply(await world.next('command'), { name: 'a' });
    expect(await done).toEqual({ name: 'a' });
    await world.cut();
    await world.clock.advance(1000);
    await world.accept({ instance: 't1', resumed: true, resend: true });
    expect(world.sent).toEqual([]);
  });

  it('refused for good has what it sent fail as what may have run, and what waited as refused', async () => {
    const page = await live();
    const sent = page.proxy.$dispatch('x');
    await world.next('command');
    await world.end('phx_error');
    const waits = page.proxy.$dispatch('y');
    await world.clock.advance(2000);
    await world.refuse(await world.next('phx_join'), { reason: 'unauthorized' });
    await expect(sent).rejects.toMatchObject({
      code: 'disconnected',
      details: { command: 'x', storeId: [], mayHaveRun: true },
    });
    await expect(waits).rejects.toMatchObject({ code: 'unauthorized' });
  });

  it('refused for good, or not asked for at all, keeps no client from being in step', async () => {
    const page = await live();
    const { status } = world.client;
    const quiet = world.client.view(module, { id: 'quiet', join: false });
    expect([quiet.health.get().state, status.get().isSynced]).toEqual(['mounting', true]);
    await world.end('phx_error');
    expect(status.get().isSynced).toBe(false);
    await world.clock.advance(2000);
    let told = 0;
    status.subscribe(() => (told += 1));
    await world.refuse(await world.next('phx_join'), { reason: 'unauthorized' });
    expect([page.health.get().state, status.get().isSynced, told]).toEqual(['failed', true, 1]);
    world.client.view(module, { id: 'quiet' });
    await world.next('phx_join');
    expect([status.get().isSynced, told]).toEqual([false, 2]);
  });

  it('unmounted says of each command whether it may have run', async () => {
    const page = await live();
    const sent = page.proxy.$dispatch('x');
    await world.next('command');
    await world.cut();
    const waits = page.proxy.$dispatch('y');
    page.unmount();
    await world.clock.advance(1);
    const details = { command: 'x', storeId: [], mayHaveRun: true };
    await expect(sent).rejects.toMatchObject({ code: 'closed', details });
    await expect(waits).rejects.toMatchObject({ code: 'closed', details: { mayHaveRun: false } });
  });

  it('refused for good is joined again with the params that it is given next', async () => {
    const page = await live();
    await world.end('phx_error');
    await world.clock.advance(2000);
    await world.refuse(await world.next('phx_join'), { reason: 'invalid_params' });
    const denied = page.setParams({ room: 'a' });
    await world.refuse(await world.next('phx_join'), { reason: 'unauthorized' });
    await expect(denied).rejects.toMatchObject({ code: 'unauthorized' });
    const done = page.setParams({ room: 'b' });
    expect(page.health.get().state).toBe('stale');
    expect(page.proxy['n']).toBe(1);
    const join = await world.accept({ instance: 't2', resend: false });
    expect(join.payload).toMatchObject({ params: { room: 'b' } });
    await world.show(node([], { n: 2 }));
    await done;
    expect([page.health.get().state, page.proxy['n']]).toEqual(['live', 2]);
  });

  it('asks for other params by nothing but these', async () => {
    const page = await live();
    void page.setParams({ room: 'b' }).catch(() => undefined);
    expect((await world.next('params')).payload).toEqual({ params: { room: 'b' } });
  });
});
