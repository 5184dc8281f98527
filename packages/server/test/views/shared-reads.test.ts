import { renderPath } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { SharedReads } from '../../src/views/shared-reads.ts';

const place = renderPath(['cells', 'a']);

test('what a thousand readers share is read once for each commit that may concern it, and all of them hear of it', () => {
  const reads = new SharedReads();
  let value = 0;
  let count = 0;
  const heard: number[] = [];
  const now = (): number => {
    count += 1;
    return value;
  };
  const ends = Array.from({ length: 1000 }, (_, at) =>
    reads.follow({ key: 'get cells/a', under: place, now }, () => heard.push(at)),
  );
  expect(count).toBe(1);
  reads.lookAt([renderPath(['cells']), place]);
  expect(count).toBe(2);
  expect(heard).toEqual([]);
  value = 1;
  reads.lookAt([place]);
  expect(count).toBe(3);
  expect(heard).toHaveLength(1000);
  for (const end of ends.slice(1)) end();
  value = 2;
  reads.lookAtAll();
  expect(heard).toHaveLength(1001);
  ends[0]?.();
  reads.lookAt([place]);
  reads.lookAtAll();
  expect(count).toBe(4);
});

test('what has no key is read for its reader alone: the rules that hide something from one turn without those of another', () => {
  const reads = new SharedReads();
  const values = ['a', 'a'];
  const heard: number[] = [];
  for (const at of [0, 1]) {
    reads.follow({ key: null, under: place, now: () => values[at] }, () => heard.push(at));
  }
  values[1] = 'b';
  reads.lookAt([place]);
  expect(heard).toEqual([1]);
});
