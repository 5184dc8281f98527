import { asPath } from '@holdfast/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keptIn } from '@holdfast/client/cache';
import { type ClientOptions, memoryCache, type RejectedWrite, type Store } from '@holdfast/client';
import { Disk, MapRows } from './cache/map-rows.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const fence = { key: 'nobody/holds', token: 1 };

/** A store with a dead letter: the server refused a write, and nobody waited for its receipt. */
async function withLetter(
  options: Partial<ClientOptions> = {},
): Promise<{ readonly store: Store; readonly opId: string }> {
  const store = await world.store({ cache: memoryCache(), ...options });
  const { opId } = store.put('k', 1, { fence });
  await store.settled();
  return { store, opId };
}

/** What the dead letters of a store ask for. */
function requestsOf(store: Store): readonly unknown[] {
  return store.outbox.deadLetters().map(({ request }) => request);
}

describe('dead letters', () => {
  it('are writes that were refused for good while nobody waited for them', async () => {
    const told: RejectedWrite[] = [];
    const { store, opId } = await withLetter({ onRejected: (each) => told.push(each) });
    await expect(store.put('k', 2, { fence }).committed).rejects.toMatchObject({ code: 'fenced' });
    expect(() => store.put('', 3)).not.toThrow();
    const [letter, ...others] = store.outbox.deadLetters();
    expect(letter).toMatchObject({ opId, request: { op: 'set', path: 'k', value: 1 } });
    expect([letter?.refusal.code, others, store.outbox.list()]).toEqual(['fenced', [], []]);
    expect(store.outbox.deadLetters()).toBe(store.outbox.deadLetters());
    await expect.poll(() => told.map((each) => each.opId)).toContain(opId);
  });

  it('of a former version of the application are migrated before they are written again', async () => {
    const disk = new Disk();
    const old = world.client({ cache: keptIn(new MapRows(disk)), schemaVersion: 1 });
    const former = old.store('acme/app');
    const { opId } = former.put('k', 1, { fence });
    const { opId: foreign } = former.increment('n', 1, { fence });
    await former.settled();
    await old.close();
    const open = (): Promise<Store> =>
      world.store({
        cache: keptIn(new MapRows(disk)),
        schemaVersion: 2,
        migrate: (request, from) =>
          from === 1 && request.op === 'set'
            ? { op: 'set', path: asPath('v2/k'), value: request.value }
            : null,
      });
    for (const store of [await open(), await open()]) {
      const letters = new Map(store.outbox.deadLetters().map((each) => [each.opId, each.request]));
      expect([letters.get(opId), letters.get(foreign)]).toMatchObject([
        { op: 'set', path: 'v2/k' },
        { op: 'increment', path: 'n' },
      ]);
    }
    const store = await open();
    await store.outbox.retry(opId)?.committed;
    expect(store.get('v2/k')).toBe(1);
    expect(world.errors).toEqual([]);
  });

  it('of what a former version had sent, and is refused only now, are migrated before they are shown', async () => {
    const disk = new Disk();
    const valve = new Valve();
    const options = { schemaVersion: 1, link: valve };
    const old = world.client({ cache: keptIn(new MapRows(disk)), ...options });
    const former = old.store('acme/app');
    await former.ready;
    valve.holdOut();
    const { opId } = former.put('k', 1, { fence });
    await expect.poll(() => former.outbox.list()[0]?.firstSentAt).toEqual(expect.any(Number));
    await old.close();
    const open = (version: number): Promise<Store> =>
      world.store({
        cache: keptIn(new MapRows(disk)),
        schemaVersion: version,
        migrate: (request, from) =>
          request.op === 'set'
            ? { op: 'set', path: asPath(`v${version}/of/${from}`), value: request.value }
            : null,
      });
    const second = await open(2);
    await second.settled();
    await expect.poll(() => requestsOf(second)).toMatchObject([{ op: 'set', path: 'v2/of/1' }]);
    await second.put('stored', true).committed;
    expect(requestsOf(await open(2))).toMatchObject([{ path: 'v2/of/1' }]);
    const third = await open(3);
    expect(requestsOf(third)).toMatchObject([{ path: 'v3/of/2' }]);
    expect(await third.outbox.retry(opId)?.committed).toMatchObject({ seq: 2 });
  });

  it('that are written again as they were are still of the version that made them', async () => {
    const disk = new Disk();
    const open = (version: number): Promise<Store> =>
      world.store({
        cache: keptIn(new MapRows(disk)),
        schemaVersion: version,
        migrate: (request, from) =>
          version === 3 && request.op === 'set'
            ? { ...request, path: asPath(`v3/of/${from}`) }
            : null,
      });
    const first = await open(1);
    const { opId } = first.put('k', 1, { fence });
    await first.settled();
    const second = await open(2);
    second.outbox.retry(opId);
    const { opId: another } = second.put('k', 2, { fence });
    await second.settled();
    await expect.poll(() => requestsOf(second)).toMatchObject([{ path: 'k' }, { path: 'k' }]);
    await second.put('stored', true).committed;
    const third = await open(3);
    expect(third.outbox.deadLetters()).toMatchObject([
      { opId, request: { path: 'v3/of/1' } },
      { opId: another, request: { path: 'v3/of/2' } },
    ]);
  });

  it('are written again as they were, or edited, under their own ids', async () => {
    const { store, opId } = await withLetter();
    const again = store.outbox.retry(opId);
    await expect(again?.committed).rejects.toMatchObject({ code: 'fenced' });
    expect(store.outbox.deadLetters()).toEqual([]);
    const { opId: second } = store.put('k', 1, { fence });
    await store.settled();
    let heard = 0;
    store.outbox.subscribe(() => (heard += 1));
    const edited = store.outbox.retry(second, { op: 'set', path: asPath('k'), value: 5 });
    expect([edited?.opId, store.get('k')]).toEqual([second, 5]);
    expect(await edited?.committed).toMatchObject({ seq: 1 });
    expect([store.outbox.deadLetters(), heard > 0]).toEqual([[], true]);
    expect(store.outbox.retry('unknown')).toBeNull();
  });

  it('are written again once, however often that is asked for at a time', async () => {
    const { store, opId } = await withLetter();
    const edited = { op: 'set', path: asPath('k'), value: 5 } as const;
    const [first, second] = [store.outbox.retry(opId, edited), store.outbox.retry(opId, edited)];
    expect(second).toBeNull();
    expect(await first?.committed).toMatchObject({ seq: 1 });
  });

  it('that are discarded as soon as they were written again are not written, in the next client either', async () => {
    const disk = new Disk();
    const open = (): Partial<ClientOptions> => ({ cache: keptIn(new MapRows(disk)) });
    const link = new Valve();
    const { store, opId } = await withLetter({ link, ...open() });
    link.down();
    await expect.poll(() => store.status.get().connection).not.toBe('connected');
    const edited = { op: 'set', path: asPath('k'), value: 5 } as const;
    const again = store.outbox.retry(opId, edited);
    expect(store.outbox.discard(opId)).toBe(true);
    await expect(again?.committed).rejects.toMatchObject({ code: 'cancelled' });
    link.up();
    await store.put('next', 1).committed;
    expect([store.get('k'), store.outbox.deadLetters()]).toEqual([undefined, []]);
    const later = await world.store(open());
    await later.settled();
    expect([later.get('k'), later.outbox.deadLetters()]).toEqual([undefined, []]);
  });

  it('are forgotten when they are discarded, and exported with what is pending', async () => {
    const link = new Valve();
    const { store, opId } = await withLetter({ link });
    link.holdOut();
    const { opId: pending } = store.put('other', { n: 1 });
    expect(JSON.parse(store.outbox.export())).toMatchObject({
      writes: [{ opId: pending, request: { op: 'set', path: 'other', value: { n: 1 } } }],
      deadLetters: [
        { opId, request: { op: 'set', path: 'k', value: 1 }, refusal: { code: 'fenced' } },
      ],
    });
    expect([store.outbox.discard(opId), store.outbox.discard(opId)]).toEqual([true, false]);
    expect(store.outbox.deadLetters()).toEqual([]);
  });

  it('outlive their client', async () => {
    const disk = new Disk();
    const open = (): Partial<ClientOptions> => ({ cache: keptIn(new MapRows(disk)) });
    const { store, opId } = await withLetter(open());
    const discarded = store.put('other', 1, { fence });
    await store.settled();
    store.outbox.discard(discarded.opId);
    await world.store(open());
    const later = await world.store(open());
    expect(later.outbox.deadLetters()).toMatchObject([{ opId, request: { value: 1 } }]);
  });

  it('S69 are made of writes whose outcome cannot be known any more, and are not sent', async () => {
    const disk = new Disk();
    const valve = new Valve();
    const first = await world.store({
      cache: keptIn(new MapRows(disk)),
      deviceId: 'laptop-1',
      link: valve,
    });
    valve.holdOut();
    const write = first.put('k', 1);
    await write.durable;
    // Another installation cannot have it recognised as the same.
    const store = await world.store({
      cache: keptIn(new MapRows(disk)),
      deviceId: 'laptop-2',
    });
    await store.settled();
    expect(store.outbox.deadLetters()).toMatchObject([
      { opId: write.opId, refusal: { code: 'outcome_unknown' } },
    ]);
    expect([store.get('k'), await store.opStatus(write.opId)]).toEqual([
      undefined,
      { state: 'unknown' },
    ]);
  });
});
