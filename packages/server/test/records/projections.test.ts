import { apply, Scope, Tree } from '@holdfast/engine/data';
import { asGlob, asPath, isRefusal, type Json, parseGlob, type Pattern } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Projections } from '../../src/records/sight.ts';

const path = asPath('users/1');

const pattern = (glob: string): Pattern => {
  const parsed = parseGlob(asGlob(glob));
  if (isRefusal(parsed)) throw new Error(glob);
  return parsed;
};

/** Sees these fields. */
const seeing = (...fields: readonly string[]): Scope =>
  new Scope(fields.map((field) => pattern(`users/*/${field}`)));

function treeOf(seq: number, value: Json): Tree {
  const tree = Tree.empty();
  apply(tree, { op: 'set', path, value, seq } as never);
  return tree;
}

const user = { name: 'Ada', mood: 'merry', email: 'a@b' };

test('R222 two strangers, who see the same, share one projection', () => {
  const projections = new Projections();
  const tree = treeOf(1, user);
  const [one, two] = [1, 2].map(() => projections.lookAt(tree, seeing('name'), path));
  expect(one?.value).toEqual({ name: 'Ada' });
  expect(two?.value).toBe(one?.value);
  expect([projections.size, two?.view]).toEqual([1, one?.view]);
});

test('R223 four viewers of two classes are two projections; whoever sees everything has the object itself', () => {
  const projections = new Projections();
  const tree = treeOf(1, user);
  for (const fields of [['name'], ['name', 'mood'], ['mood', 'name'], ['name']]) {
    projections.lookAt(tree, seeing(...fields), path);
  }
  expect(projections.size).toBe(2);
  const own = projections.lookAt(tree, seeing('name', 'mood', 'email'), path);
  const all = projections.lookAt(tree, null, path);
  expect([own.value, all.value]).toEqual([user, user]);
  expect(own.value).toBe(tree.read(path)?.value);
  expect(projections.size).toBe(2);
});

test('R224 of a new sequence there are new projections, and those of the old one are gone', () => {
  const projections = new Projections();
  const before = projections.lookAt(treeOf(1, user), seeing('name'), path);
  const after = projections.lookAt(treeOf(2, { ...user, name: 'Eve' }), seeing('name'), path);
  expect([before.value, after.value]).toEqual([{ name: 'Ada' }, { name: 'Eve' }]);
  expect([before.sequence, after.sequence, projections.size]).toEqual([1, 2, 1]);
});
