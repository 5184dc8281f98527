import { type NodeMessage, readNodeMessage } from '@holdfast/engine/presence';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Node, type Watcher, World } from './world.ts';

function pair(): { world: World; a: Node; b: Node; watcher: Watcher } {
  const world = new World();
  const [a, b] = [world.node('a'), world.node('b')];
  const watcher = b.join(1, 'ann/t');
  world.pass(100);
  return { world, a, b, watcher };
}

test('members of one node see those of another, who were there before and who come later (S85)', () => {
  const world = new World();
  const a = world.node('a');
  a.join(1, 'bob/t', { n: 1 });
  world.pass(100);
  const b = world.node('b');
  const watcher = b.join(1, 'ann/t');
  world.pass(200);
  expect(watcher.seen).toEqual(['bob/t {"n":1}']);
  a.join(2, 'eve/t', {});
  world.pass(200);
  expect(watcher.seen).toEqual(['bob/t {"n":1}', 'eve/t {}']);
});

test('a leave that overtakes its join leaves no ghost (S85)', () => {
  const { world, a, watcher } = pair();
  a.join(2, 'old/t', {});
  world.pass(100);
  // From here on the bus delivers the newest first.
  const held: NodeMessage[] = [];
  world.loses = (message) => held.push(message) > 0;
  a.join(3, 'bob/t', {});
  world.pass(60);
  a.step({ type: 'leave', member: 3 });
  world.pass(60);
  world.loses = () => false;
  expect(held.map(({ type }) => type)).toContain('diff');
  for (const message of held.toReversed()) world.send(message);
  world.pass(2000);
  expect(watcher.seen).toEqual(['old/t {}']);
});

test('a list of who was there that comes after they have gone leaves no ghost (S85)', () => {
  const { world, a, watcher } = pair();
  a.join(2, 'bob/t', {});
  world.pass(100);
  const held: NodeMessage[] = [];
  world.loses = (message) => message.type === 'set' && held.push(message) > 0;
  world.send({ type: 'ask', node: 'b', of: 'a' });
  world.pass(100);
  world.loses = () => false;
  a.step({ type: 'leave', member: 2 });
  world.pass(100);
  for (const message of held) world.send(message);
  world.pass(100);
  expect(held.length).toBeGreaterThan(0);
  expect([watcher.diffs.length, watcher.seen]).toEqual([2, []]);
});

test('what was lost is asked for when the next number shows it, and by the beat at the latest (S85)', () => {
  const { world, a, watcher } = pair();
  world.loses = (message) => message.type === 'diff';
  a.join(2, 'bob/t', { n: 1 });
  world.pass(500);
  expect(watcher.seen).toEqual([]);
  world.pass(10_000);
  expect(watcher.seen).toEqual(['bob/t {"n":1}']);
  a.track(2, { n: 2 });
  world.pass(500);
  world.loses = () => false;
  a.track(2, { n: 3 });
  world.pass(500);
  expect(watcher.seen).toEqual(['bob/t {"n":3}']);
});

test('the metas of a killed node leave within 30 s (S85)', () => {
  const { world, a, watcher } = pair();
  a.join(2, 'bob/t', {});
  world.pass(15_000);
  a.isAlive = false;
  const killedAt = world.now;
  while (watcher.seen.length > 0) world.pass(1000);
  expect(world.now - killedAt).toBeGreaterThan(15_000);
  expect(world.now - killedAt).toBeLessThanOrEqual(30_000);
});

test('a node that was heard is not given up for 30 s (S85)', () => {
  const { world, a, watcher } = pair();
  a.join(2, 'bob/t', {});
  world.pass(100);
  a.isAlive = false;
  world.pass(29_500);
  expect(watcher.seen).toEqual(['bob/t {}']);
  world.pass(500);
  expect(watcher.seen).toEqual([]);
});

test('a peer that comes back by another node within 5 s is an update there and here (S85)', () => {
  const { world, a, b, watcher } = pair();
  a.join(2, 'bob/t', { n: 1 });
  const other = a.join(9, 'zoe/t');
  world.pass(200);
  a.step({ type: 'lost', member: 2 });
  world.pass(1000);
  b.join(3, 'bob/t', { n: 2 });
  world.pass(10_000);
  for (const each of [watcher, other]) {
    expect(each.seen).toEqual(['bob/t {"n":2}']);
    expect(each.diffs.at(-1)?.joins['bob']?.metas[0]).toMatchObject({ phx_ref_prev: 'a:1' });
  }
  expect(a.roster.describe().members).toBe(1);
});

test('who is at a node that says goodbye has 5 s to come back by another (S85)', () => {
  const { world, a, b, watcher } = pair();
  for (const [member, name] of [
    [2, 'bob/t'],
    [3, 'eve/t'],
  ] as const) {
    a.join(member, name, {});
    a.step({ type: 'lost', member });
  }
  world.pass(100);
  a.step({ type: 'close' });
  a.isAlive = false;
  world.pass(1000);
  b.join(4, 'bob/t', { back: true });
  world.pass(1000);
  expect(watcher.seen).toEqual(['bob/t {"back":true}', 'eve/t {}']);
  world.pass(2900);
  expect(watcher.seen).toEqual(['bob/t {"back":true}', 'eve/t {}']);
  world.pass(500);
  expect(watcher.seen).toEqual(['bob/t {"back":true}']);
});

test('a set of many metas comes in parts', () => {
  const world = new World();
  const a = world.node('a');
  for (let n = 0; n < 120; n++) a.join(n, `u${n}/t`, {});
  world.pass(100);
  const watcher = world.node('b').join(1, 'ann/t');
  world.picks = (count) => count - 1;
  world.pass(1000);
  expect(watcher.seen).toHaveLength(120);
  expect(world.log.filter(({ type }) => type === 'set')).toHaveLength(3);
});

test('of a set in parts all are asked for again, soon, where one of them is lost', () => {
  const world = new World();
  const a = world.node('a');
  for (let n = 0; n < 120; n++) a.join(n, `u${n}/t`, {});
  world.pass(100);
  world.loses = (message) => message.type === 'set' && message.part === 1;
  const watcher = world.node('b').join(1, 'ann/t');
  world.pass(500);
  expect(watcher.seen).toEqual([]);
  world.loses = () => false;
  world.pass(1000);
  expect(watcher.seen).toHaveLength(120);
});

test('a message that cannot be read is as good as lost', () => {
  const world = new World();
  world.node('a').join(1, 'bob/t', { x: 1 });
  world.pass(100);
  world.node('b').join(1, 'ann/t', {});
  world.pass(100);
  for (const message of world.log) expect(readNodeMessage(message)).toEqual(message);
  expect(new Set(world.log.map(({ type }) => type))).toEqual(new Set(['ask', 'diff', 'set']));
  fc.assert(fc.property(fc.anything(), (any) => readNodeMessage(any) === null));
  for (const message of world.log) {
    for (const field of Object.keys(message)) {
      if (field === 'of') continue;
      expect(readNodeMessage({ ...message, [field]: Symbol('bad') }), field).toBeNull();
    }
  }
});

type Deed = { readonly node: number; readonly member: number; readonly what: number };

test('whatever is lost and reordered, every member ends with who is there (S85)', () => {
  const deed = fc.record({ node: fc.nat(2), member: fc.nat(4), what: fc.nat(5) });
  const deeds = fc.array(deed, { minLength: 5, maxLength: 60 });
  fc.assert(
    fc.property(deeds, fc.infiniteStream(fc.nat(1000)), (all, chance) => {
      const draw = (below: number): number => Number(chance.next().value ?? 0) % below;
      const world = new World();
      world.picks = (count) => draw(count);
      world.loses = () => draw(4) === 0;
      const nodes = ['a', 'b', 'c'].map((name) => world.node(name));
      const watchers = nodes.map((node) => node.join(1000, `watcher/${node.name}`));
      const present = new Map<string, string>();
      const numbers = new Map<string, number>();
      let last = 1;
      const act = ({ node: at, member, what }: Deed): void => {
        const node = nodes[at];
        const name = `u${member}/n${at}`;
        const number = numbers.get(name);
        last++;
        if (node === undefined) return;
        if (number === undefined) {
          numbers.set(name, last);
          node.join(last, name, { last });
          present.set(name, `${name} {"last":${last}}`);
        } else if (what === 0) {
          node.step({ type: 'leave', member: number });
          numbers.delete(name);
          present.delete(name);
        } else if (what === 1) {
          node.step({ type: 'lost', member: number });
          numbers.set(name, last);
          node.join(last, name, { last });
          present.set(name, `${name} {"last":${last}}`);
        } else {
          node.track(number, { last });
          present.set(name, `${name} {"last":${last}}`);
        }
        world.pass(draw(120));
      };
      for (const each of all) act(each);
      world.loses = () => false;
      world.pass(25_000);
      const expected = [...present.values()].toSorted();
      for (const watcher of watchers) expect(watcher.seen).toEqual(expected);
      for (const node of nodes) {
        expect(node.roster.describe().present).toBe(expected.length);
      }
    }),
    { numRuns: 150 },
  );
});
