import { keyOf, nextSnapshot, type ViewHandle, waitFor } from '@holdfast/client/views';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { settle } from '../../../engine/test/virtual-clock.ts';
import { module, node, Scripted } from './scripted.ts';

let world: Scripted;

beforeEach(() => {
  world = new Scripted();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const tree = node([], { n: 1, child: node(['child'], { m: 1 }), other: node(['other'], {}) });

const numberOf = (shown: unknown): number => (shown as { n: number }).n;
const never = (): boolean => false;

async function live(rest: object = {}): Promise<ViewHandle> {
  const page = world.client.view(module, { id: 'main' });
  await world.accept({ instance: 't1' });
  await world.patch(0, 1, { ops: [{ op: 'replace', path: '', value: tree }], ...rest });
  return page;
}

const set = (path: string, value: unknown): object => ({ ops: [{ op: 'replace', path, value }] });
const toast = (payload: unknown, id: readonly string[] = []): object => ({
  store_id: id,
  name: 'toast',
  payload,
});

describe('who listens to a view', () => {
  it('hears once for each envelope that changes its node', async () => {
    const { proxy } = await live();
    const told = { root: 0, child: 0, other: 0 };
    proxy.$subscribe(() => (told.root += 1));
    const off = proxy['child'].$subscribe(() => (told.child += 1));
    proxy['other'].$subscribe(() => (told.other += 1));
    await world.patch(1, 2, {
      ops: [...(set('/n', 2) as { ops: [] }).ops, ...(set('/child/m', 2) as { ops: [] }).ops],
    });
    expect(told).toEqual({ root: 1, child: 1, other: 0 });
    await world.patch(2, 3, set('/n', 2));
    expect(told).toEqual({ root: 1, child: 1, other: 0 });
    off();
    await world.patch(3, 4, set('/child/m', 3));
    expect(told).toEqual({ root: 2, child: 1, other: 0 });
    await world.patch(4, 5, set('/other', null));
    expect(told).toEqual({ root: 3, child: 1, other: 1 });
  });

  it('V78 and throws harms nobody else: not the others, nor the events, nor those who wait', async () => {
    const page = world.client.view(module, { id: 'main' });
    const heard: unknown[] = [];
    page.proxy.$subscribe(() => {
      throw new Error('first');
    });
    page.proxy.$subscribe(() => heard.push('second'));
    page.proxy.$on('toast', () => {
      throw new Error('third');
    });
    page.proxy.$on('toast', (payload) => heard.push(payload));
    const waiting = waitFor(page.proxy, (shown) => (shown as { n: number }).n === 1);
    await world.accept();
    await world.patch(0, 1, {
      ops: [{ op: 'replace', path: '', value: tree }],
      events: [toast('hi')],
    });
    await page.ready;
    expect(await waiting).toBe(true);
    expect(heard).toEqual(['second', 'hi']);
    expect(world.errors.map((error) => (error as Error).message)).toEqual(['first', 'third']);
  });

  it('V17 hears an event after the state of its envelope, once, and the snapshot stays', async () => {
    const { proxy } = await live();
    const heard: unknown[] = [];
    proxy.$on('toast', (payload) => heard.push([payload, proxy['n']]));
    const before = proxy.$snapshot();
    await world.patch(1, 2, { events: [toast('a')] });
    expect([heard, proxy.$snapshot() === before]).toEqual([[['a', 1]], true]);
    await world.patch(2, 3, { ...set('/n', 2), events: [toast('b')] });
    expect(heard).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
  });

  it('V79 hears what was sent before it listened, once; the next one does not', async () => {
    const { proxy } = await live({ events: [toast('early'), toast('deep', ['child'])] });
    await world.clock.advance(1000);
    const heard: unknown[] = [];
    const off = proxy.$on('toast', (payload) => heard.push(payload));
    expect(heard).toEqual([]);
    await settle();
    proxy.$on('toast', (payload) => heard.push(['late', payload]));
    await settle();
    expect(heard).toEqual(['early']);
    off();
    await world.clock.advance(4500);
    proxy['child'].$on('toast', (payload: unknown) => heard.push(payload));
    await settle();
    expect(heard).toEqual(['early']);
  });

  it('V79 hears nothing once it has let go, were it while another is told', async () => {
    const { proxy } = await live();
    const heard: unknown[] = [];
    const first = proxy.$on('toast', () => heard.push('first'));
    proxy.$on('toast', () => {
      heard.push('second');
      third();
    });
    const third = proxy.$on('toast', () => heard.push('third'));
    first();
    await world.patch(1, 2, { ops: [], events: [toast('hi')] });
    await world.patch(2, 3, { ops: [], events: [toast('again')] });
    expect(heard).toEqual(['second', 'second']);
  });

  it('V79 hears nothing of the mount before, which nobody has heard there', async () => {
    const former = await live({ events: [toast('of the past')] });
    former.unmount();
    await world.clock.advance(1);
    await world.next('phx_leave');
    const { proxy } = await live();
    expect(proxy).toBe(former.proxy);
    const heard: unknown[] = [];
    proxy.$on('toast', (payload) => heard.push(payload));
    await world.patch(1, 2, { ops: [], events: [toast('hi')] });
    expect(heard).toEqual(['hi']);
  });

  it('V79 hears no more than the last 64 of them', async () => {
    const events = Array.from({ length: 70 }, (_, n) => toast(n));
    const { proxy } = await live({ events });
    const heard: unknown[] = [];
    proxy.$on('toast', (payload) => heard.push(payload));
    await settle();
    expect([heard.length, heard[0]]).toEqual([64, 6]);
  });

  it('hears on over lost connections', async () => {
    const { proxy } = await live();
    const heard: unknown[] = [];
    proxy.$on('toast', (payload) => heard.push(payload));
    await world.cut();
    await world.clock.advance(1000);
    await world.accept({ instance: 't1', resumed: true, version: 2 });
    await world.patch(1, 2, { events: [toast('again')] });
    expect(heard).toEqual(['again']);
  });
});

describe('who waits for a view', () => {
  it('gets the next snapshot that is another', async () => {
    const { proxy } = await live();
    const next = nextSnapshot(proxy['child']);
    await world.patch(1, 2, set('/n', 2));
    await world.patch(2, 3, set('/child/m', 2));
    expect(await next).toEqual({ m: 2 });
  });

  it('gets the first value that is neither undefined nor false, now or later', async () => {
    const { proxy } = await live();
    expect(await waitFor(proxy, numberOf)).toBe(1);
    const later = waitFor(proxy, (shown) => numberOf(shown) > 2 && numberOf(shown));
    await world.patch(1, 2, set('/n', 2));
    await world.patch(2, 3, set('/n', 3));
    expect(await later).toBe(3);
    await expect(
      waitFor(proxy, () => {
        throw new Error('mine');
      }),
    ).rejects.toThrow('mine');
  });

  it('V84 rejects with the reason of an aborted signal, a timeout, and closed at the unmount', async () => {
    const page = await live();
    const reason = new Error('enough');
    const ended = new AbortController();
    const waits = [
      waitFor(page.proxy, never, { signal: AbortSignal.abort(reason) }),
      waitFor(page.proxy, never, { signal: ended.signal }),
      nextSnapshot(page.proxy, { signal: ended.signal }),
    ];
    const [late, gone, over] = [
      waitFor(page.proxy, never, { timeoutMs: 10 }),
      waitFor(page.proxy, never),
      nextSnapshot(page.proxy),
    ];
    ended.abort(reason);
    for (const each of waits) await expect(each).rejects.toBe(reason);
    await world.clock.advance(10);
    await expect(late).rejects.toMatchObject({ code: 'timeout' });
    page.unmount();
    await world.clock.advance(1);
    const all = [gone, over, nextSnapshot(page.proxy)];
    for (const each of all) await expect(each).rejects.toMatchObject({ code: 'closed' });
  });

  it('names nodes by keys that stay', async () => {
    const { proxy } = await live();
    expect([keyOf(proxy), keyOf(proxy['child'])]).toEqual([
      'App.Board:main[]',
      'App.Board:main["child"]',
    ]);
    expect(() => keyOf({})).toThrow(TypeError);
  });
});
