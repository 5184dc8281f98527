import { applyPatch, readPointer } from '@holdfast/engine/data';
import type { Json } from '@holdfast/protocol';
import type { PatchOp } from '@holdfast/protocol/views';
import { describe, expect, it } from 'vitest';

const tree: Json = { a: { b: [1, 2, 3], 'x/y~z': true }, none: null };
const after = (...ops: readonly object[]): Json | undefined =>
  applyPatch(tree, ops as readonly PatchOp[]);

describe('a patch', () => {
  it('adds, replaces and removes members and elements, and leaves the tree that it was given', () => {
    const copy = structuredClone(tree);
    expect(
      after(
        { op: 'add', path: '/a/b/0', value: 0 },
        { op: 'add', path: '/a/b/-', value: 4 },
        { op: 'replace', path: '/a/b/1', value: 'one' },
        { op: 'remove', path: '/a/b/2' },
        { op: 'replace', path: '/a/x~1y~0z', value: false },
        { op: 'add', path: '/__proto__', value: { own: true } },
        { op: 'remove', path: '/none' },
      ),
    ).toEqual(JSON.parse('{"a":{"b":[0,"one",3,4],"x/y~z":false},"__proto__":{"own":true}}'));
    expect(tree).toEqual(copy);
  });

  it('copies what it touches and nothing else', () => {
    const result = after({ op: 'replace', path: '/none', value: 1 });
    expect(result).toEqual({ a: (tree as { a: Json }).a, none: 1 });
    expect((result as { a: Json }).a).toBe((tree as { a: Json }).a);
  });

  it('takes a root: replaced or added, never removed', () => {
    expect(after({ op: 'replace', path: '', value: 1 })).toBe(1);
    expect(after({ op: 'add', path: '', value: [] })).toEqual([]);
    expect(after({ op: 'remove', path: '' })).toBe(undefined);
  });

  it('replaces a member that is not there, and removes it for nothing', () => {
    expect(after({ op: 'replace', path: '/new', value: 1 })).toEqual({ ...(tree as {}), new: 1 });
    expect(after({ op: 'remove', path: '/new' })).toBe(tree);
  });

  it.each([
    ['an index beyond the end', { op: 'add', path: '/a/b/4', value: 1 }],
    ['an element that is not there', { op: 'replace', path: '/a/b/3', value: 1 }],
    ['the end, where something is to be replaced', { op: 'replace', path: '/a/b/-', value: 1 }],
    ['an index with a leading zero', { op: 'remove', path: '/a/b/01' }],
    ['a negative index', { op: 'remove', path: '/a/b/-1' }],
    ['a parent that is not there', { op: 'add', path: '/b/c', value: 1 }],
    ['a parent that is inherited', { op: 'add', path: '/constructor/name', value: 1 }],
    ['a scalar as parent', { op: 'add', path: '/none/c', value: 1 }],
    ['a path that does not begin', { op: 'add', path: 'a', value: 1 }],
    ['an escape that is none', { op: 'add', path: '/a~2', value: 1 }],
  ])('does not fit with %s', (_, op) => {
    expect(after({ op: 'replace', path: '/none', value: 1 }, op)).toBe(undefined);
  });

  it('has pointers of unescaped keys', () => {
    expect(readPointer('')).toEqual([]);
    expect(readPointer('/')).toEqual(['']);
    expect(readPointer('/a~1b~0c/0/')).toEqual(['a/b~c', '0', '']);
  });
});
