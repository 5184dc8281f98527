import { setImmediate as loop } from 'node:timers/promises';
import { type Span, Tree } from '@holdfast/engine/data';
import { asPath, asStoreName, refuse } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { spanOf, stateAt } from '../../src/host/history.ts';
import { inTurn } from '../../src/host/looks-back.ts';
import { turn, unbound } from '../../src/storage/turn.ts';
import { Rates } from '../../src/access/index.ts';
import { everything } from '../conversation/world.ts';
import { Restoring } from '../../src/socket/restoring.ts';

test('of those who have much to do one goes on in each turn of the event loop, however many they are', async () => {
  let slices = 0;
  const work = async (): Promise<void> => {
    for (let slice = 0; slice < 5; slice += 1) {
      // oxlint-disable-next-line no-await-in-loop -- slice by slice
      await turn();
      slices += 1;
    }
  };
  const all = Promise.all(Array.from({ length: 20 }, work));
  let most = 0;
  for (let passed = 0; passed < 100; passed += 1) {
    const before = slices;
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    await loop();
    most = Math.max(most, slices - before);
  }
  await all;
  expect([slices, most]).toEqual([100, 1]);
});

test('two look back in the log of a store at a time, in the order they came; one that fails makes room too', async () => {
  const store = { view: () => ({ tree: Tree.empty(), seq: 0 }) };
  const begun: number[] = [];
  let running = 0;
  let most = 0;
  const look = async (each: number): Promise<number> => {
    begun.push(each);
    running += 1;
    most = Math.max(most, running);
    await turn();
    running -= 1;
    if (each % 3 === 0) throw new Error('forgotten');
    return each;
  };
  const all = Array.from({ length: 10 }, (_, each) => inTurn(store, () => look(each), unbound));
  const results = await Promise.allSettled(all);
  expect(results.map(({ status }) => status === 'fulfilled')).toEqual(
    results.map((_, each) => each % 3 !== 0),
  );
  expect([begun, most]).toEqual([results.map((_, each) => each), 2]);
});

test('the rollbacks of a channel look back one after the other, none that would not pass, and none for nobody', async () => {
  let reads = 0;
  let left = 2;
  const store = {
    view: () => ({ tree: Tree.empty(), seq: 1 }),
    standing: () => ({ head: 1, oldestSeq: 1 }),
    read: async () => {
      reads += 1;
      left -= 1;
      throw new Error('a disk that fails');
    },
  };
  const limited = refuse('rate_limited', { retry_after_ms: 5 });
  const room = { rates: new Rates(null, () => 0), audit: { note: async () => undefined } };
  const row = {
    id: 'a',
    name: asStoreName('demo/main'),
    status: 'active',
    incarnation: 'i',
    insertedAt: 0,
    expiresAt: null,
  } as const;
  const terms = { host: { ...store, row }, principal: everything };
  const restoring = new Restoring(room, terms, () => (left > 0 ? null : limited));
  const ask = () => restoring.prepare({ path: null, toSeq: 0 });
  const first = await Promise.allSettled(Array.from({ length: 5 }, ask));
  expect(first.map((each) => (each.status === 'rejected' ? 'failed' : each.value))).toEqual([
    'failed',
    'failed',
    limited,
    limited,
    limited,
  ]);
  left = 2;
  restoring.end();
  expect(await ask()).toMatchObject({ code: 'unavailable' });
  expect(reads).toBe(2);
});

test('the way back to a state far in the past is gone in turns, however many leaves differ', async () => {
  const leaves = 50_000;
  const tree = Tree.empty();
  const log = Array.from({ length: leaves }, (_, index) => {
    const seq = index + 1;
    const path = asPath(`group${index % 100}/leaf${index}`);
    tree.put(path, { value: seq, type: 'integer', revision: seq });
    const about = { deviceId: 'device', clientOpId: `op${seq}`, tx: null, principal: null };
    return { seq, op: 'set', path, value: seq, arg: null, at: 0, removed: [], ...about } as const;
  });
  const store = {
    view: () => ({ tree, seq: leaves }),
    standing: () => ({ head: leaves, oldestSeq: 1 }),
    read: async () => log.slice(1),
  };
  const looking = stateAt(store, 1, unbound);
  let past: Tree | null = null;
  let turns = 0;
  for (; past === null; turns += 1) {
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    past = await Promise.race([looking, loop(null)]);
  }
  expect([...past.entries()].map(({ path }) => path)).toEqual(['group0/leaf0']);
  expect(turns).toBeGreaterThanOrEqual(leaves / 5000);
});

test('what a few ops removed is gone through in turns, however many leaves each of them took', async () => {
  const [ops, each] = [8, 10_000];
  const tree = Tree.empty();
  const log = Array.from({ length: ops }, (_, index) => {
    const seq = index + 1;
    const removed = Array.from({ length: each }, (__, at) => {
      const path = asPath(`group${seq}/leaf${at}`);
      return { path, value: at, type: 'integer', revision: 0 } as const;
    });
    const about = { deviceId: 'd', clientOpId: `o${seq}`, tx: null, principal: null, arg: null };
    return {
      seq,
      op: 'delete',
      path: asPath(`group${seq}`),
      value: null,
      at: 0,
      removed,
      ...about,
    } as const;
  });
  const store = {
    view: () => ({ tree, seq: ops }),
    standing: () => ({ head: ops, oldestSeq: 1 }),
    read: async () => log,
  };
  const looking = spanOf(store, { from: 0, to: ops }, unbound);
  let span: Span | null = null;
  let turns = 0;
  for (; span === null; turns += 1) {
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    span = await Promise.race([looking, loop(null)]);
  }
  span.rewind(tree);
  expect(tree.size).toBe(ops * each);
  expect(turns).toBeGreaterThanOrEqual((ops * each) / 5000);
});

test('those who go back to one seq at one time share a look at the log; who comes later looks anew, also after a failure', async () => {
  let reads = 0;
  let isDamaged = true;
  const tree = Tree.empty();
  const removed: readonly [] = [];
  const op = { seq: 1, op: 'set', path: asPath('a'), value: 1, removed } as const;
  tree.put(op.path, { value: 1, type: 'integer', revision: 1 });
  const store = {
    view: () => ({ tree, seq: 1 }),
    standing: () => ({ head: 1, oldestSeq: 1 }),
    read: async () => {
      reads += 1;
      if (isDamaged) throw new Error('a disk that fails');
      const of = { deviceId: 'd', clientOpId: 'o', tx: null, at: 0, principal: null, arg: null };
      return [{ ...op, ...of }];
    },
  };
  const look = () =>
    Promise.allSettled(Array.from({ length: 20 }, () => stateAt(store, 0, unbound)));
  expect(new Set((await look()).map(({ status }) => status))).toEqual(new Set(['rejected']));
  expect(reads).toBe(1);
  isDamaged = false;
  const sizes = (await look()).map((each) => (each.status === 'fulfilled' ? each.value.size : -1));
  expect(new Set(sizes)).toEqual(new Set([0]));
  expect([reads, tree.size]).toEqual([2, 1]);
  await look();
  expect(reads).toBe(3);
});
