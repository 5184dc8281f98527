import { child, type ViewHandle } from '@holdfast/client/views';
import { RejectedError } from '@holdfast/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { module, node, Scripted } from './scripted.ts';

let world: Scripted;

beforeEach(() => {
  world = new Scripted();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const tree = node([], {
  n: 1,
  log: { __musubi_stream__: 'log' },
  child: node(['a', 'child'], { m: 1 }),
});

async function live(shown: object = tree): Promise<ViewHandle> {
  const page = world.client.view(module, { id: 'main' });
  await world.accept({ instance: 't1' });
  await world.show(shown);
  return page;
}

const set = (n: number): object => ({ ops: [{ op: 'replace', path: '/n', value: n }] });

type Cards = { cards: { title: string }[]; boxes: { [name: string]: unknown } };
const card = (id: string, title: string): object => node(['cards', id], { title });
const makeThree = (draft: unknown): void => {
  const { cards, boxes } = draft as Cards;
  cards.push(child('b', { title: 'B' }));
  boxes['top'] = child('c', { title: 'C', inside: [child('d', { title: 'D' })] });
};
const rename = (draft: unknown): void => void ((draft as { title: string }).title = 'B2');
const copyAll = (draft: unknown): void => {
  const shown = draft as Cards;
  const [a, b] = shown.cards;
  shown.cards = [
    { ...b, title: 'X' },
    { ...a, title: 'X' },
  ];
};

const refuse = (): never => {
  throw new Error('mine');
};
const refuseLater = (): never => Promise.reject(new Error('later')) as never;

describe('a command', () => {
  it('V22 goes to its node, with an id of its own, and resolves to the reply', async () => {
    const { proxy } = await live();
    const [one, two] = [proxy.$dispatch('rename', { to: 'x' }), proxy['child'].$dispatch('open')];
    const [first, second] = [await world.next('command'), await world.next('command')];
    expect(first.payload).toEqual({
      store_id: [],
      name: 'rename',
      payload: { to: 'x' },
      client_op_id: expect.stringMatching(/^\w{8,64}$/) as string,
    });
    expect(second.payload).toMatchObject({ store_id: ['a', 'child'], name: 'open', payload: {} });
    expect(second.payload['client_op_id']).not.toBe(first.payload['client_op_id']);
    await world.reply(second, { ok: true }, { version: 1 });
    await world.reply(first, {}, { version: 1 });
    expect(await Promise.all([one, two])).toEqual([{}, { ok: true }]);
  });

  it.each([
    [{ reason: 'x' }, 'x'],
    [{ error: 'y', reason: 'x' }, 'y'],
    [{ code: 'z', error: 'y', reason: 'x' }, 'z'],
    [{ code: 7, reason: 'x' }, 'x'],
    [{}, 'unknown_reason'],
  ])('V27 an error reply %j rejects with the code %s', async (response, code) => {
    const { proxy } = await live();
    const sent = proxy.$dispatch('rename', {});
    await world.refuse(await world.next('command'), response);
    const error: unknown = await sent.catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(RejectedError);
    expect(error).toMatchObject({
      code,
      details: { command: 'rename', storeId: [], reply: response, mayHaveRun: false },
    });
  });

  it('V23 tells what is wrong with a payload', async () => {
    const { proxy } = await live();
    const sent = proxy.$dispatch('rename', {});
    const issues = [{ path: ['to'], message: 'required' }];
    await world.refuse(await world.next('command'), { reason: 'invalid_payload', issues });
    await expect(sent).rejects.toMatchObject({ code: 'invalid_payload', details: { issues } });
  });

  it('V27 without a reply in time is a timeout; a slow one does not end the connection', async () => {
    const { proxy } = await live();
    const [usual, short, long] = [
      proxy.$dispatch('a'),
      proxy.$dispatch('b', {}, { timeoutMs: 10 }),
      proxy.$dispatch('c', {}, { timeoutMs: 200_000 }),
    ];
    await world.clock.advance(10);
    await expect(short).rejects.toMatchObject({ code: 'timeout', details: { mayHaveRun: true } });
    await world.clock.advance(35_000);
    await expect(usual).rejects.toMatchObject({ code: 'timeout' });
    await world.clock.advance(100_000);
    const [, , sent] = [await world.next(), await world.next(), await world.next()];
    await world.reply(sent, { done: true });
    expect(await long).toEqual({ done: true });
    expect(world.urls).toHaveLength(1);
  });

  it('waits until the root is live, unless it must not; then goes in its order', async () => {
    const page = world.client.view(module, { id: 'main' });
    const sent = [page.proxy.$dispatch('a'), page.proxy.$dispatch('b')];
    await expect(page.proxy.$dispatch('c', {}, { queue: false })).rejects.toMatchObject({
      code: 'disconnected',
      details: { mayHaveRun: false },
    });
    await world.accept({ instance: 't1' });
    expect(world.sent).toEqual([]);
    await world.show(tree);
    for (const name of ['a', 'b']) {
      const command = await world.next('command');
      expect(command.payload['name']).toBe(name);
      await world.reply(command);
    }
    expect(await Promise.all(sent)).toEqual([{}, {}]);
  });

  it('V27 that waited too long for its root is a timeout of one that did not run, and is not sent when the root is live', async () => {
    const page = world.client.view(module, { id: 'main' });
    const late = page.proxy.$dispatch('a', {}, { timeoutMs: 50 });
    const failed = expect(late).rejects.toMatchObject({
      code: 'timeout',
      details: { command: 'a', mayHaveRun: false },
    });
    await world.clock.advance(50);
    await failed;
    await world.accept({ instance: 't1' });
    await world.show(tree);
    expect(world.sent).toEqual([]);
    await world.end('phx_error');
    const again = page.proxy.$dispatch('b', {}, { timeoutMs: 50 });
    const gone = expect(again).rejects.toMatchObject({ code: 'timeout' });
    await world.clock.advance(50);
    await gone;
    await world.clock.advance(1000);
    await world.accept({ instance: 't1', resumed: true });
    expect(world.sent).toEqual([]);
  });

  it('V28 in flight when the connection breaks is sent again first, under its id, where the server remembers', async () => {
    const { proxy } = await live();
    const [a, b] = [proxy.$dispatch('a'), proxy.$dispatch('b')];
    const sent = [await world.next('command'), await world.next('command')];
    await world.cut();
    const c = proxy.$dispatch('c');
    await world.clock.advance(1000);
    await world.accept({ instance: 't1', resumed: true, resend: true });
    for (const before of sent) {
      const again = await world.next('command');
      expect(again.payload).toEqual(before.payload);
      await world.reply(again, { name: again.payload['name'] });
    }
    await world.reply(await world.next('command'), { name: 'c' });
    expect(await Promise.all([a, b, c])).toEqual([{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
  });

  it('V28 fails, as one that may have run, where the server does not remember', async () => {
    const { proxy } = await live();
    const a = proxy.$dispatch('a');
    await world.next('command');
    await world.cut();
    await world.clock.advance(1000);
    await world.accept({ instance: 't2', resend: false });
    await world.show(tree);
    await expect(a).rejects.toMatchObject({ code: 'disconnected', details: { mayHaveRun: true } });
    expect(world.sent).toEqual([]);
  });

  it('that may run twice is sent again, and shown meanwhile, also where the server does not remember', async () => {
    const { proxy } = await live();
    const a = proxy.$dispatch(
      'a',
      { id: 'x' },
      { idempotent: true, optimistic: (draft) => void Object.assign(draft as object, { n: 7 }) },
    );
    const { payload } = await world.next('command');
    await world.cut();
    await world.clock.advance(1000);
    await world.accept({ instance: 't2', resend: false });
    await world.show(tree);
    expect(proxy.$snapshot()).toMatchObject({ n: 7 });
    const again = await world.next('command');
    expect(again.payload).toEqual(payload);
    await world.reply(again, { name: 'a' });
    expect(await a).toEqual({ name: 'a' });
  });

  it('V84 that is aborted rejects with the reason, and is not sent when it was waiting', async () => {
    const page = world.client.view(module, { id: 'main' });
    const reason = new Error('enough');
    const waiting = new AbortController();
    const queued = page.proxy.$dispatch('a', {}, { signal: waiting.signal });
    await expect(page.proxy.$dispatch('b', {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    waiting.abort(reason);
    await expect(queued).rejects.toBe(reason);
    await world.accept();
    await world.show(tree);
    expect(world.sent).toEqual([]);
    const sent = new AbortController();
    const gone = page.proxy.$dispatch('c', {}, { signal: sent.signal });
    await world.next('command');
    sent.abort(reason);
    await expect(gone).rejects.toBe(reason);
  });

  it('of a view that is unmounted is closed', async () => {
    const page = await live();
    const sent = page.proxy.$dispatch('a');
    page.unmount();
    await world.clock.advance(1);
    await expect(sent).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('an optimistic command', () => {
  type Shown = { n: number; log: unknown[]; child: { m: number } };
  const edit = { optimistic: (draft: unknown) => void ((draft as Shown).n = 7) };

  it('V82 shows its draft at once, on top of what others change, and no flicker when it is confirmed', async () => {
    const { proxy } = await live();
    const seen: unknown[] = [];
    proxy.$subscribe(() => seen.push((proxy.$snapshot() as Shown).n));
    const sent = proxy.$dispatch(
      'set',
      {},
      { optimistic: (draft) => void ((draft as Shown).n = 7) },
    );
    expect([proxy['n'], seen]).toEqual([7, [7]]);
    const command = await world.next('command');
    await world.patch(1, 2, { ops: [{ op: 'replace', path: '/child/m', value: 2 }] });
    expect([proxy['n'], proxy['child'].m]).toEqual([7, 2]);
    await world.reply(command, {}, { version: 3 });
    await sent;
    expect(proxy['n']).toBe(7);
    await world.patch(2, 3, set(7));
    expect([proxy['n'], seen]).toEqual([7, [7, 7]]);
    await world.patch(3, 4, set(8));
    expect(proxy['n']).toBe(8);
  });

  it.each([
    [
      'an error',
      async (): Promise<void> => world.refuse(await world.next('command'), { reason: 'no' }),
    ],
    ['no answer', async (): Promise<void> => world.clock.advance(40_000)],
  ])('V82 is rolled back at once after %s', async (_, fail) => {
    const { proxy } = await live();
    const before = proxy.$snapshot();
    const sent = proxy['child'].$dispatch(
      'set',
      {},
      { optimistic: (draft: { m: number }) => void (draft.m = 9) },
    );
    expect([proxy['child'].m, (proxy.$snapshot() as Shown).child]).toEqual([9, { m: 9 }]);
    await fail();
    await expect(sent).rejects.toBeDefined();
    expect([proxy['child'].m, proxy.$snapshot()]).toEqual([1, before]);
  });

  it('V82 whose effects are there already ends with the reply', async () => {
    const { proxy } = await live();
    const sent = proxy.$dispatch(
      'set',
      {},
      { optimistic: (draft) => void (draft as Shown).log.push('mine') },
    );
    expect(proxy['log']).toEqual(['mine']);
    const item = {
      op: 'insert',
      stream: 'log',
      ref: '0',
      store_id: [],
      item_key: 'a',
      at: -1,
      item: 'mine',
      limit: null,
    };
    const command = await world.next('command');
    await world.patch(1, 2, { stream_ops: [item] });
    expect(proxy['log']).toEqual(['mine', 'mine']);
    await world.reply(command, {}, { version: 2 });
    await sent;
    expect(proxy['log']).toEqual(['mine']);
  });

  it('makes a child that is a proxy at once, the same one afterwards, and takes commands after the one that made it', async () => {
    const { proxy } = await live(node([], { cards: [card('a', 'A')], boxes: {} }));
    void proxy.$dispatch('add', {}, { optimistic: makeThree });
    const [first, made] = proxy['cards'];
    expect([first.$id, made.$id, made.title]).toEqual([['cards', 'a'], ['cards', 'b'], 'B']);
    expect(proxy['boxes'].top.inside[0].$id).toEqual(['boxes', 'c', 'inside', 'd']);
    expect(proxy.$snapshot()).toStrictEqual({
      cards: [{ title: 'A' }, { title: 'B' }],
      boxes: { top: { title: 'C', inside: [{ title: 'D' }] } },
    });
    const seen: unknown[] = [];
    made.$subscribe(() => seen.push(made.$snapshot()));
    void made.$dispatch('rename', { title: 'B2' }, { optimistic: rename });
    expect([proxy['cards'][1], made.title]).toEqual([made, 'B2']);
    const [added, renamed] = [await world.next('command'), await world.next('command')];
    expect([added.payload, renamed.payload]).toMatchObject([
      { name: 'add', store_id: [] },
      { name: 'rename', store_id: ['cards', 'b'] },
    ]);
    await world.reply(added, {}, { version: 2 });
    await world.patch(1, 2, {
      ops: [{ op: 'add', path: '/cards/1', value: card('b', 'B') }],
    });
    expect([proxy['cards'][1] === made, made.title, proxy['boxes']]).toEqual([true, 'B2', {}]);
    await world.reply(renamed, {}, { version: 3 });
    await world.patch(2, 3, { ops: [{ op: 'replace', path: '/cards/1/title', value: 'B2' }] });
    expect([made.title, seen]).toEqual(['B2', [{ title: 'B2' }]]);
  });

  it('that makes a child is rolled back with it, and one that is there already is not made again', async () => {
    const { proxy } = await live(node([], { cards: [card('a', 'A')] }));
    const add = (id: string): Promise<unknown> =>
      proxy.$dispatch(
        'add',
        {},
        { optimistic: (draft) => void (draft as Cards).cards.push(child(id, { title: 'B' })) },
      );
    await expect(add('a')).rejects.toThrow('already');
    expect(world.sent).toEqual([]);
    const sent = add('b');
    const [, made] = proxy['cards'];
    await world.refuse(await world.next('command'), { reason: 'no' });
    await expect(sent).rejects.toMatchObject({ code: 'no' });
    expect([made.$snapshot(), proxy['cards'].length]).toEqual([undefined, 1]);
    // Somebody else makes it while ours is on its way.
    void add('c');
    await world.patch(1, 2, { ops: [{ op: 'add', path: '/cards/0', value: card('c', 'C') }] });
    expect((proxy.$snapshot() as Cards).cards).toEqual([{ title: 'C' }, { title: 'A' }]);
  });

  it('that copies a child by spread leaves it that child', async () => {
    const { proxy } = await live(node([], { cards: [card('a', 'A'), card('b', 'B')] }));
    const [a, b] = proxy['cards'];
    void proxy.$dispatch('set', {}, { optimistic: copyAll });
    expect([proxy['cards'][0] === b, proxy['cards'][1] === a, a.title]).toEqual([true, true, 'X']);
    expect(proxy.$snapshot()).toStrictEqual({ cards: [{ title: 'X' }, { title: 'X' }] });
  });

  it('that throws, or is async, sends nothing', async () => {
    const { proxy } = await live();
    const sent = proxy.$dispatch('set', {}, { optimistic: refuse });
    await expect(sent).rejects.toThrow('mine');
    const later = proxy.$dispatch('set', {}, { optimistic: refuseLater });
    await expect(later).rejects.toThrow('cannot be async');
    expect([proxy['n'], world.sent]).toEqual([1, []]);
  });

  it('V92 without an answer of a Musubi server in 10 s is a timeout, and its draft is gone', async () => {
    const page = world.client.view(module, { id: 'main' });
    await world.reply(await world.next('phx_join'), { root_id: 'App.Board:main' });
    await world.show(tree);
    const sent = page.proxy.$dispatch('set', {}, edit);
    const late = expect(sent).rejects.toMatchObject({ code: 'timeout' });
    await world.clock.advance(9999);
    expect(page.proxy['n']).toBe(7);
    await world.clock.advance(1);
    await late;
    expect(page.proxy['n']).toBe(1);
  });

  it('V92 of a Musubi server ends with the next envelope, or soon', async () => {
    const page = world.client.view(module, { id: 'main' });
    await world.reply(await world.next('phx_join'), { root_id: 'App.Board:main' });
    await world.show(tree);
    const sent = page.proxy.$dispatch('set', {}, edit);
    await world.reply(await world.next('command'));
    await sent;
    expect(page.proxy['n']).toBe(7);
    await world.patch(1, 2, set(8));
    expect(page.proxy['n']).toBe(8);
    void page.proxy.$dispatch('set', {}, edit);
    await world.reply(await world.next('command'));
    expect(page.proxy['n']).toBe(7);
    await world.clock.advance(250);
    expect(page.proxy['n']).toBe(8);
  });
});
