import { describe, expect, test } from 'vitest';
import { settle } from '../virtual-clock.ts';
import { Rig } from './rig.ts';

describe('listeners', () => {
  test('G24 a subscription before the load hears loading, then ready, once each', async () => {
    const rig = new Rig();
    const states: string[] = [];
    rig.registry.subscribe('a', ({ status }) => states.push(status));
    expect([states, rig.loads]).toEqual([[], 0]);
    await rig.registry.get('a');
    await rig.registry.get('a');
    expect(states).toEqual(['loading', 'ready']);
  });

  test('G25 a listener that throws stops neither the others nor the load (P52)', async () => {
    const rig = new Rig();
    const states: string[] = [];
    rig.registry.subscribe('a', () => {
      throw new Error('careless');
    });
    rig.registry.subscribe('a', ({ status }) => states.push(status));
    expect(await rig.registry.get('a')).toMatchObject({ number: 1 });
    expect(states).toEqual(['loading', 'ready']);
    expect(rig.problems).toMatchObject([{ phase: 'listener' }, { phase: 'listener' }]);
    expect(rig.registry.stats().listenerErrors).toBe(2);
  });

  test('G26 a new subscription keeps an entry that was about to go', async () => {
    const rig = new Rig({ ttl: 50 });
    await rig.registry.get('a');
    await rig.clock.advance(49);
    const release = rig.registry.subscribe('a', () => undefined);
    await rig.clock.advance(1000);
    expect(rig.at('a')).toBe(1);
    release();
    await rig.clock.advance(50);
    expect(rig.at('a')).toBeUndefined();
  });

  test('G50 that it is held is told with the first hold, and that it is not with the last release', async () => {
    const rig = new Rig();
    await rig.registry.get('a');
    const before = rig.types('a').length;
    const [first, second] = [rig.registry.retain('a'), rig.registry.retain('a')];
    first();
    expect(rig.types('a').slice(before)).toEqual(['held']);
    second();
    expect(rig.types('a').slice(before)).toEqual(['held', 'released']);
  });

  test('G50 list, stats and events describe every transition once, and nothing is left after dispose', async () => {
    const rig = new Rig({ ttl: 50, errors: [] });
    await rig.registry.get('a');
    rig.registry.retain('a')();
    expect(rig.registry.list()).toEqual([
      {
        key: 'a',
        status: 'ready',
        generation: 1,
        holds: 0,
        ttl: null,
        protectedUntil: 50,
        lastUsedAt: 0,
      },
    ]);
    await rig.clock.advance(50);
    await rig.registry.get('b', { ttl: 7, signal: new AbortController().signal });
    const release = rig.registry.retain('b', { ttl: 99 });
    expect(rig.registry.list()).toMatchObject([{ key: 'b', holds: 1, ttl: 99, generation: 2 }]);
    await rig.registry.dispose();
    release();
    expect(rig.types('a')).toEqual([
      'added',
      'loading',
      'held',
      'ready',
      'released',
      'held',
      'released',
      'unused',
      'closing',
      'closed',
      'removed',
    ]);
    expect(rig.types('b')).toEqual([
      'added',
      'loading',
      'held',
      'ready',
      'released',
      'held',
      'closing',
      'closed',
      'removed',
    ]);
    expect(rig.events.at(-1)).toEqual({ at: 50, key: '', generation: 0, type: 'disposed' });
    expect(rig.registry.stats()).toEqual({
      entries: 0,
      ready: 0,
      held: 0,
      loads: 2,
      hits: 2,
      failures: 0,
      retries: 0,
      closes: 2,
      evictions: 0,
      listenerErrors: 0,
    });
    expect(rig.registry.list()).toEqual([]);
  });

  test('G58 a subscriber that throws on an event leaves the registry and the other subscribers at work', async () => {
    const rig = new Rig();
    const types: string[] = [];
    rig.registry.subscribe(() => {
      throw new Error('careless');
    });
    rig.registry.subscribe(({ type }) => types.push(type));
    await rig.registry.preload('a');
    expect(types).toEqual(rig.types('a'));
    expect(rig.at('a')).toBe(1);
  });

  test('G60 a listener removed by another while it runs is not called again, not in this round either', async () => {
    const rig = new Rig();
    const heard: string[] = [];
    rig.registry.subscribe('a', () => {
      heard.push('first');
      removeSecond();
    });
    const removeSecond = rig.registry.subscribe('a', () => heard.push('second'));
    await rig.registry.get('a');
    expect(heard).toEqual(['first', 'first']);
  });

  test('G61 what a listener causes is heard by everyone after what they are hearing, in order', async () => {
    const rig = new Rig();
    const heard: string[] = [];
    rig.registry.subscribe('a', ({ status }) => {
      if (status === 'ready') void rig.registry.evict('a', { force: true });
    });
    rig.registry.subscribe('a', ({ status }) => heard.push(status));
    await rig.registry.get('a');
    await settle();
    expect(heard).toEqual(['loading', 'ready', 'closing', 'closed']);
  });

  test('a listener that is added while others are being told hears only what happens later', async () => {
    const rig = new Rig();
    const heard: string[] = [];
    rig.registry.subscribe(({ type }) => {
      if (type === 'loading') rig.registry.subscribe((event) => heard.push(event.type));
    });
    await rig.registry.get('a');
    expect(rig.types('a')).toEqual(['added', 'loading', 'held', 'ready', 'released']);
    expect(heard).toEqual(['ready', 'released']);
  });

  test('G63 every release may be called twice', async () => {
    const rig = new Rig();
    const heard: string[] = [];
    const keep = rig.registry.retain('a');
    const lease = await rig.registry.acquire('a');
    const releases = [
      rig.registry.retain('a'),
      rig.registry.subscribe('a', () => undefined),
      () => lease.release(),
    ];
    rig.registry.subscribe(({ type }) => heard.push(type));
    for (const release of [...releases, ...releases]) release();
    expect(rig.registry.list()).toMatchObject([{ holds: 1 }]);
    expect(heard).toEqual([]);
    keep[Symbol.dispose]();
    expect(heard).toEqual(['released']);
  });

  test('G65 released subscriptions leave no work behind', async () => {
    const rig = new Rig();
    const heard: unknown[] = [];
    const controller = new AbortController();
    rig.registry.subscribe('a', (state) => heard.push(state))();
    rig.registry.subscribe((event) => heard.push(event))();
    rig.registry.subscribe('a', (state) => heard.push(state), { signal: controller.signal });
    controller.abort();
    expect([rig.registry.list(), rig.clock.armed]).toEqual([[], 0]);
    await rig.registry.get('a');
    expect(heard).toEqual([]);
  });
});
