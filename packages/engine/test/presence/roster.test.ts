import { presenceLimits } from '@holdfast/protocol/presence';
import { expect, test } from 'vitest';
import { World } from './world.ts';

test('who joins hears a list, then differences; who only looks is not on it (S85)', () => {
  const world = new World();
  const node = world.node('a');
  const watcher = node.join(1, 'ann/t1');
  expect([watcher.lists, watcher.seen]).toEqual([1, []]);
  node.join(2, 'bob/t1', { x: 1 });
  expect(watcher.seen).toEqual(['bob/t1 {"x":1}']);
  expect(watcher.diffs).toEqual([
    {
      joins: {
        bob: {
          metas: [
            { phx_ref: 'a:1', device_id: 'd', peer: 't1', online_at: 1_000_000, state: { x: 1 } },
          ],
        },
      },
      leaves: {},
    },
  ]);
});

test('another state names the one it replaces, keeps the time of arrival, and the leave carries the old one (S85)', () => {
  const world = new World();
  const node = world.node('a');
  const watcher = node.join(1, 'ann/t1');
  node.join(2, 'bob/t1', { x: 1 });
  world.pass(1000);
  node.track(2, { x: 2 });
  const base = { device_id: 'd', peer: 't1', online_at: 1_000_000 };
  expect(watcher.diffs[1]).toEqual({
    joins: { bob: { metas: [{ ...base, phx_ref: 'a:2', phx_ref_prev: 'a:1', state: { x: 2 } }] } },
    leaves: { bob: { metas: [{ ...base, phx_ref: 'a:1', state: { x: 1 } }] } },
  });
  expect(node.answers).toEqual([{ type: 'tracked', member: 2, ticket: 2, ref: 'a:2' }]);
});

test('two tabs of one subject are two metas; untracking one leaves the other (S85)', () => {
  const world = new World();
  const node = world.node('a');
  const watcher = node.join(1, 'ann/t1');
  node.join(2, 'bob/t1', { tab: 1 });
  node.join(3, 'bob/t2', { tab: 2 });
  world.pass(100);
  expect(watcher.seen).toEqual(['bob/t1 {"tab":1}', 'bob/t2 {"tab":2}']);
  node.step({ type: 'untrack', member: 2 });
  world.pass(100);
  expect(watcher.seen).toEqual(['bob/t2 {"tab":2}']);
});

test('a lost socket shows no leave for 5 s, and one of the same peer within them is an update (S85)', () => {
  const world = new World();
  const node = world.node('a');
  const watcher = node.join(1, 'ann/t1');
  node.join(2, 'bob/t1', { n: 1 });
  node.join(3, 'eve/t1', { n: 1 });
  world.pass(100);
  const told = watcher.diffs.length;
  node.step({ type: 'lost', member: 2 });
  node.step({ type: 'lost', member: 3 });
  world.pass(4999);
  expect(watcher.diffs).toHaveLength(told);
  node.join(4, 'bob/t1', { n: 2 });
  world.pass(1000);
  expect(watcher.diffs[told]?.leaves['bob']?.metas[0]?.state).toEqual({ n: 1 });
  expect(watcher.diffs[told]?.joins['bob']?.metas[0]).toMatchObject({
    phx_ref_prev: 'a:1',
    state: { n: 2 },
  });
  expect(watcher.seen).toEqual(['bob/t1 {"n":2}']);
  expect(node.roster.describe()).toMatchObject({ members: 2, present: 1 });
});

test('who comes back and tracks only later is an update too; who never does is gone after the grace (S85)', () => {
  const world = new World();
  const node = world.node('a');
  const watcher = node.join(1, 'ann/t1');
  for (const [member, name] of [
    [2, 'bob/t1'],
    [3, 'eve/t1'],
  ] as const) {
    node.join(member, name, {});
    node.step({ type: 'lost', member });
    node.join(member + 10, name);
  }
  world.pass(1000);
  node.track(12, { back: true });
  world.pass(5000);
  expect(watcher.seen).toEqual(['bob/t1 {"back":true}']);
  node.track(13, { late: true });
  world.pass(100);
  expect(watcher.seen).toEqual(['bob/t1 {"back":true}', 'eve/t1 {"late":true}']);
});

test('a peer that joins on another socket before its old one is noticed shows one state (S85)', () => {
  const world = new World();
  const node = world.node('a');
  const watcher = node.join(1, 'ann/t1');
  node.join(2, 'bob/t1', { n: 1 });
  world.pass(100);
  node.join(3, 'bob/t1', { n: 2 });
  world.pass(100);
  expect(watcher.seen).toEqual(['bob/t1 {"n":2}']);
  node.step({ type: 'lost', member: 2 });
  world.pass(6000);
  expect(watcher.seen).toEqual(['bob/t1 {"n":2}']);
  expect(node.roster.describe().members).toBe(2);
});

test('a leave and a join within 50 ms are told as an update; what came and went is not told (S85)', () => {
  const world = new World();
  const node = world.node('a');
  const watcher = node.join(1, 'ann/t1');
  node.join(2, 'bob/t1', { n: 1 });
  world.pass(100);
  const told = watcher.diffs.length;
  node.step({ type: 'leave', member: 2 });
  node.join(3, 'bob/t1', { n: 2 });
  world.pass(10);
  node.join(4, 'eve/t1', {});
  node.step({ type: 'leave', member: 4 });
  world.pass(100);
  expect(watcher.diffs.slice(told)).toMatchObject([
    { joins: { bob: { metas: [{ phx_ref_prev: 'a:1' }] } } },
  ]);
});

test('20 states a second of one channel are told, the last one always, and each is answered (S85)', () => {
  const world = new World();
  const node = world.node('a');
  const watcher = node.join(1, 'ann/t1');
  node.join(2, 'bob/t1', { n: 0 });
  for (let n = 1; n <= 1000; n++) {
    node.track(2, { n });
    world.pass(1);
  }
  world.pass(100);
  expect(watcher.diffs.length).toBeGreaterThan(15);
  expect(watcher.diffs.length).toBeLessThanOrEqual(22);
  expect(watcher.seen).toEqual(['bob/t1 {"n":1000}']);
  expect(node.answers).toHaveLength(1000);
});

test('the thousandth meta is taken, one more is refused, an update is not (S85)', () => {
  const world = new World();
  const node = world.node('a');
  for (let n = 0; n < presenceLimits.metas; n++) node.join(n, `u${n}/t`, {});
  expect(node.answers).toEqual([]);
  node.join(5000, 'late/t', {});
  node.join(5001, 'late/t');
  node.track(5001, {});
  node.track(7, { more: true });
  const details = { dimension: 'presence', current: 1000, limit: 1000 };
  expect(node.answers).toMatchObject([
    { type: 'refused', member: 5000, ticket: null, refusal: { code: 'limit_exceeded', details } },
    { type: 'refused', member: 5001, ticket: 5001, refusal: { code: 'limit_exceeded' } },
    { type: 'tracked', member: 7 },
  ]);
  node.step({ type: 'leave', member: 8 });
  node.track(5001, {});
  expect(node.answers.at(-1)).toMatchObject({ type: 'tracked', member: 5001 });
});

test('an alarm that rings early is set again', () => {
  const world = new World();
  const node = world.node('a');
  const watcher = node.join(1, 'ann/t1');
  node.join(2, 'bob/t1', {});
  node.join(3, 'eve/t1', {});
  const due = node.wakeAt;
  world.now = due - 1;
  const effects = node.roster.step({ type: 'tick', now: due - 1, wall: 0 });
  expect(effects).toEqual([{ type: 'wake', at: due }]);
  world.pass(1);
  expect(watcher.seen).toEqual(['bob/t1 {}', 'eve/t1 {}']);
});
