import { asPath, isObject, isRefusal, type Json } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Editor, viewOf } from './editor.ts';

test('a large map that was deleted comes back by one write (P58)', () => {
  const editor = new Editor();
  const map = Object.fromEntries(Array.from({ length: 3000 }, (_, n) => [`k${n}`, { n }]));
  editor.foreign({ op: 'set', path: asPath('big/map'), value: map });
  const before = editor.state;
  editor.write({ op: 'delete', path: asPath('big') });
  expect(editor.take('undo')).toBe('done');
  expect(editor.state).toEqual(before);
});

test('a map of more leaves than one write takes comes back by several, of which each takes as many members as it may (P58)', () => {
  const editor = new Editor();
  const sizes = { a: 2400, b: 2400, c: 2400, d: 5200, e: 100 };
  for (const [name, size] of Object.entries(sizes)) {
    const map = Object.fromEntries(Array.from({ length: size }, (_, n) => [`k${n}`, n]));
    editor.foreign({ op: 'set', path: asPath(`big/${name}`), value: map });
  }
  const before = editor.state;
  editor.write({ op: 'delete', path: asPath('big') });
  const plan = editor.history.plan('undo', viewOf(editor.tree));
  if (plan === null || isRefusal(plan)) throw new Error('It can be undone.');
  const writes = plan.ops.map((write) => {
    const value = 'value' in write && isObject(write.value) ? write.value : {};
    return [write.op, write.path, Object.keys(value).length];
  });
  expect(writes.filter(([, path]) => path === 'big')).toEqual([
    ['merge', 'big', 2],
    ['merge', 'big', 1],
    ['merge', 'big', 1],
  ]);
  expect(editor.take('undo')).toBe('done');
  expect(editor.state).toEqual(before);
});

test('what a map has lost of its members comes back by one write, a single one by its own (P58)', () => {
  const editor = new Editor();
  const shapes = Object.fromEntries(
    Array.from({ length: 600 }, (_, index) => [`s${index}`, { x: 0, y: 0, fill: 'grey' }]),
  );
  editor.foreign({ op: 'set', path: asPath('shapes'), value: shapes });
  const before = editor.state;
  const moves = Object.keys(shapes).map((id) => ({
    op: 'merge' as const,
    path: asPath(`shapes/${id}`),
    value: id === 's0' ? { x: 1 } : { x: 1, y: 1 },
  }));
  editor.write({ op: 'transact', ops: moves.slice(0, 500), preconditions: [] });
  const plan = editor.history.plan('undo', viewOf(editor.tree));
  if (plan === null || isRefusal(plan)) throw new Error('It can be undone.');
  expect(plan.ops.map(({ op }) => op)).toEqual(['set', ...Array<string>(499).fill('merge')]);
  expect(editor.take('undo')).toBe('done');
  expect(editor.state).toEqual(before);
  expect(editor.take('redo')).toBe('done');
  expect(editor.state['shapes/s1/y']).toMatchObject({ value: 1 });
});

test('a map of more leaves than one write may have comes back by several (P58)', () => {
  const editor = new Editor();
  for (const [at, count] of [
    ['all/big', 4500],
    ['all/small', 1200],
    ['all/other', 2000],
    ['all/last', 1],
  ] as const) {
    editor.foreign({ op: 'set', path: asPath(at), value: shapesOf(count) });
  }
  const before = editor.state;
  editor.write({ op: 'delete', path: asPath('all') });
  expect(editor.state).toEqual({});
  expect(editor.take('undo')).toBe('done');
  expect(editor.state).toEqual(before);
  expect(editor.take('redo')).toBe('done');
  expect(editor.state).toEqual({});
});

test('what a step has made is taken away by one write for each root, unless another has put something there (P58)', () => {
  const editor = new Editor();
  editor.foreign({ op: 'set', path: asPath('shapes/old'), value: { x: 0 } });
  const before = editor.state;
  const pasted = Array.from({ length: 300 }, (_, index) => ({
    op: 'set' as const,
    path: asPath(`shapes/new${index}`),
    value: { x: index, y: index, fill: 'grey', at: { page: 1 } },
  }));
  editor.write({ op: 'transact', ops: pasted, preconditions: [] });
  const after = editor.state;
  const plan = editor.history.plan('undo', viewOf(editor.tree));
  if (plan === null || isRefusal(plan)) throw new Error('It can be undone.');
  expect([plan.ops.length, plan.preconditions.length]).toEqual([300, 300]);
  const meanwhile = (): void =>
    void editor.foreign({ op: 'set', path: asPath('shapes/new7/fill'), value: 'red' });
  expect(editor.take('undo', meanwhile)).toMatchObject({ code: 'conflict' });
  editor.foreign({ op: 'set', path: asPath('shapes/new7/fill'), value: 'grey' });
  expect(editor.take('undo')).toBe('done');
  expect(editor.state).toEqual(before);
  expect(editor.take('redo')).toBe('done');
  expect(editor.state).toEqual(after);
  editor.foreign({ op: 'set', path: asPath('shapes/new7/note'), value: 'of another' });
  expect(editor.take('undo')).toBe('done');
  expect(editor.state).toEqual({
    ...before,
    'shapes/new7/note': { type: 'string', value: 'of another' },
  });
});

function shapesOf(count: number): Json {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`s${index}`, { x: 1, y: 2 }]),
  );
}
