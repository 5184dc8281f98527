import { expect, test } from 'vitest';
import {
  Ledger,
  type ReplicaChange,
  type ReplicaEffect,
  type ReplicaImage,
} from '@holdfast/engine/replica';
import { Desk, path } from './desk.ts';

/** What a server has rendered at seq 2. */
function rendered(): ReplicaImage {
  const server = new Desk().live();
  server.events([
    [1, 'set', 'k', 1],
    [2, 'set', 'm', { a: 1 }],
  ]);
  const image = server.replica.image();
  return { ...image, entries: [...image.entries], maps: [...image.maps] };
}

const kept = { seq: 0, incarnation: null, scope: null, patterns: [] };

function changes(effects: readonly ReplicaEffect[]): readonly ReplicaChange[] {
  return effects.flatMap((effect) => (effect.type === 'persist' ? [effect.change] : []));
}

test('a replica that begins with a seed shows it at once, and joins where it ends with its proof', () => {
  const desk = new Desk({ image: rendered(), seed: { proof: 'digest.signature', kept } });
  expect(desk.value('k')).toBe(1);
  expect(desk.replica.joinPayload()).toMatchObject({
    last_store_seq: 2,
    incarnation: 'first',
    scope: 'whole',
    seed: 'digest.signature',
  });
  desk.live();
  desk.step({ type: 'lost' });
  // The server has taken it.
  expect(desk.replica.joinPayload()).not.toHaveProperty('seed');
  expect(desk.replica.joinPayload()).toMatchObject({ last_store_seq: 2 });
});

test('nothing is built on a seed that nothing vouches for: it is shown until the join brings the state', () => {
  const desk = new Desk({ image: rendered(), seed: { proof: null, kept } });
  expect(desk.value('k')).toBe(1);
  expect(desk.replica.joinPayload()).toMatchObject({ last_store_seq: 0, incarnation: null });
  expect(desk.replica.joinPayload()).not.toHaveProperty('seed');
  // The server has nothing of it.
  desk.live();
  expect(desk.value('k')).toBeUndefined();
});

test('a cache keeps what it has until the server has taken the seed, and own requests meanwhile; then all of it', () => {
  const before = { seq: 1, incarnation: 'first', scope: 'whole', patterns: [] };
  const desk = new Desk({
    ledger: new Ledger(),
    image: rendered(),
    seed: { proof: 'digest.signature', kept: before },
  });
  desk.set('a', 'n', 1);
  const [offline] = changes(desk.effects);
  expect(offline).toMatchObject({ ...before, replaces: false });
  expect([...(offline?.entries ?? [])]).toEqual([]);
  expect(offline?.requests.map(([id]) => id)).toEqual(['a']);
  desk.join();
  const [joined] = changes(desk.step({ type: 'persisted', batch: 1 }));
  expect(joined).toMatchObject({ seq: 2, incarnation: 'first', replaces: true });
  expect([...(joined?.entries ?? [])].map(([at]) => at)).toEqual(['k', 'm/a']);
});

test('a seed that comes late is taken where there is nothing yet, and the store joined with it', () => {
  const desk = new Desk({ ledger: new Ledger() });
  desk.watch('k', { includeCurrent: true });
  const seed = { proof: 'digest.signature', kept };
  const effects = desk.step({ type: 'adopt', image: rendered(), seed });
  expect(effects.map(({ type }) => type)).toContain('rejoin');
  expect(changes(effects).flatMap(({ entries }) => Array.from(entries))).toEqual([]);
  expect(desk.value('k')).toBe(1);
  expect(desk.deliver().map(({ value }) => value)).toEqual([1]);
  expect(desk.replica.joinPayload()).toMatchObject({ last_store_seq: 2, seed: seed.proof });
  desk.live();
  desk.events([[3, 'set', 'k', 3]]);
  desk.step({ type: 'adopt', image: rendered(), seed });
  expect(desk.value('k')).toBe(3);
  expect(desk.replica.entry(path('m/a'))).toMatchObject({ value: 1 });
});
