import { asGlob, type Glob } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Part } from '../src/part.ts';
import { openWorld } from './world.ts';

test('given a thousand parts that ask what they lack of a thousand patterns, then those are read once, not once for each', () => {
  const globs = Array.from({ length: 1000 }, (_, at) => asGlob(`held/${at}/**`));
  let looks = 0;
  const held = new Proxy<readonly Glob[]>(globs, {
    get: (of, name) => {
      if (typeof name === 'string' && Object.hasOwn(of, name) && name !== 'length') looks += 1;
      return Reflect.get(of, name);
    },
  });
  const lacking = (scope: string) => new Part({ scope: [scope] }).beyond(held).length;
  for (let at = 0; at < 1000; at += 1) {
    expect(lacking(`held/${at}/**`)).toBe(0);
    expect(lacking(`held/${at}/below/*`)).toBe(0);
    expect(lacking(`other/${at}/**`)).toBe(1);
  }
  expect(looks).toBe(1000);
});

test('a handle of a part lists a range where all of it is in the part, and no other', async () => {
  await using world = await openWorld();
  const writer = await world.store();
  await writer.transact((tx) => {
    for (const path of ['a/x', 'b/x', 'b/y', 'c/x']) tx.put(path, path);
  }).committed;
  const store = world.client().store('acme/app', { scope: ['b/**'] });
  await store.ready;
  const paths = (from: string, to: string): readonly string[] =>
    store.range(from, to).items.map(({ path }) => path);
  expect([paths('b/x', 'b/y'), paths('b/', 'b0')]).toEqual([['b/x'], ['b/x', 'b/y']]);
  for (const [from, to] of [
    ['a/x', 'b/y'],
    ['b/x', 'c/x'],
    ['a', 'd'],
  ] as const) {
    expect(() => paths(from, to)).toThrow(expect.objectContaining({ code: 'out_of_scope' }));
  }
});

test('a part of what has a star for its name has no range of what is named like its pattern', async () => {
  await using world = await openWorld();
  const store = world.client().store('acme/app', { scope: ['a/\\*/**'] });
  expect(() => store.range('a/\\*/x', 'a/\\*/y')).toThrow(
    expect.objectContaining({ code: 'out_of_scope' }),
  );
});

test('a transaction in a part may have the fence of a lease that lies outside of it', async () => {
  await using world = await openWorld();
  const client = world.client();
  const lease = await client.store('acme/app').lease('jobs/1', { heartbeat: false });
  const part = client.store('acme/app', { scope: ['b/**'] });
  await part.ready;
  const write = part.transact((tx) => {
    tx.fence(lease);
    tx.put('b/x', 1);
  });
  expect(part.get('b/x')).toBe(1);
  await write.committed;
  const outside = part.transact((tx) => {
    tx.exists('a/x');
    tx.put('b/x', 2);
  });
  await expect(outside.committed).rejects.toMatchObject({ code: 'out_of_scope' });
});
