import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import {
  asPath,
  childPath,
  comparePaths,
  isAncestor,
  isRefusal,
  isReservedPath,
  parentOf,
  parseGlob,
  parsePath,
  parseStoreName,
  readPath,
  renderPath,
  requestLimits,
  segmentsOf,
  toPath,
} from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { codeOf, segmentArbitrary, segmentsArbitrary } from './arbitraries.ts';

type PathVector =
  | { readonly valid: true; readonly segments: string[]; readonly rendered: string }
  | { readonly valid: false; readonly rendered: string; readonly error: string };

const vectors: readonly PathVector[] = JSON.parse(
  readFileSync(new URL('vectors/path_vectors.json', import.meta.url), 'utf8'),
);

test.each(vectors)('S28 path vector $rendered', (vector) => {
  if (vector.valid) {
    expect(renderPath(vector.segments)).toBe(vector.rendered);
    expect(parsePath(vector.rendered)).toEqual(vector.segments);
  } else {
    expect(codeOf(parsePath(vector.rendered))).toBe(vector.error);
  }
});

test('parse and render are inverse on any segments within the limits', () => {
  fc.assert(
    fc.property(segmentsArbitrary, (segments) => {
      const rendered = renderPath(segments);
      expect(parsePath(rendered)).toEqual(segments);
      expect(toPath(segments)).toBe(rendered);
      expect(segmentsOf(rendered)).toEqual(segments);
    }),
  );
});

test('any text is a path or a refusal, and a path renders to itself', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
      const parsed = parsePath(text);
      if (!isRefusal(parsed)) expect(renderPath(parsed)).toBe(text);
    }),
  );
});

const deep = Array.from({ length: 33 }, () => 'a');

test.each([
  [{ path: '' }, 'empty_path'],
  [{ path_segments: [] }, 'empty_path'],
  [{ path: 'a//b' }, 'empty_segment'],
  [{ path_segments: ['a', ''] }, 'empty_segment'],
  [{ path_segments: [''] }, 'empty_segment'],
  [{ path: 'a~2' }, 'invalid_escape'],
  [{ path_segments: ['a', 7] }, 'not_a_string'],
  [{ path_segments: 'a/b' }, 'not_a_list'],
  [{ path: 7 }, 'invalid_path'],
  [{}, 'missing_path'],
  [{ path: null }, 'missing_path'],
  [{ path: 'a\u0000' }, 'invalid_segment'],
  [{ path: 'a/\ud800' }, 'invalid_segment'],
  [{ path: 'a/\udc00b' }, 'invalid_segment'],
  [{ path_segments: ['\ud83d', '\ude00'] }, 'invalid_segment'],
  [{ path: 'x'.repeat(256) }, 'segment_too_long'],
  [{ path_segments: ['é'.repeat(128)] }, 'segment_too_long'],
  [{ path: `${'x'.repeat(204)}/`.repeat(5) + 'x' }, 'path_too_long'],
  [{ path: deep.join('/') }, 'too_deep'],
  [{ path_segments: deep }, 'too_deep'],
])('S27 the path of %j is refused with %s', (payload, code) => {
  expect(codeOf(readPath(payload))).toBe(code);
});

test('S27 path_segments wins over path, even where path is bad', () => {
  expect(readPath({ path: 'a//b', path_segments: ['x/y', 'z'] })).toBe('x~1y/z');
  expect(codeOf(readPath({ path: 'a', path_segments: [] }))).toBe('empty_path');
});

const reserved = (path: string): boolean => isReservedPath(asPath(path));

test('S27 the reserved paths are _dust:last_seq alone and _hf:schema with all below', () => {
  expect(['_dust:last_seq', '_hf:schema', '_hf:schema/user'].map(reserved)).toEqual([
    true,
    true,
    true,
  ]);
  expect(['_dust:last_seq/x', '_hf:schemas', '_dust:sf/key'].map(reserved)).toEqual([
    false,
    false,
    false,
  ]);
});

test('a path exactly at each limit passes', () => {
  expect(toPath('x'.repeat(255), requestLimits)).toHaveLength(255);
  expect(toPath(deep.slice(1), requestLimits)).toHaveLength(63);
  const longest = `${'x'.repeat(204)}/`.repeat(4) + 'x'.repeat(204);
  expect(longest).toHaveLength(1024);
  expect(toPath(longest, requestLimits)).toBe(longest);
  expect(codeOf(toPath(`${longest}x`, requestLimits))).toBe('path_too_long');
});

test('limits count the bytes of the rendered form', () => {
  expect(toPath(['😀'.repeat(63)], requestLimits)).toBe('😀'.repeat(63));
  expect(codeOf(toPath(['😀'.repeat(64)], requestLimits))).toBe('segment_too_long');
  expect(codeOf(toPath(['/'.repeat(128)], requestLimits))).toBe('segment_too_long');
});

test('a limit is refused with its figure', () => {
  const refusal = toPath('x'.repeat(256), requestLimits);
  expect(isRefusal(refusal) && refusal.details).toEqual({ limit: 255 });
});

test('how long a path may be is nobody’s business who is given no limits', () => {
  const long = `${'x'.repeat(2000)}/`.repeat(40) + 'y';
  expect(toPath(long)).toBe(long);
  expect(isRefusal(parseGlob(`${long}/**`))).toBe(false);
  expect(codeOf(parseGlob(`${long}/**`, requestLimits))).toBe('segment_too_long');
});

test('paths are ordered as their UTF-8 bytes are', () => {
  fc.assert(
    fc.property(segmentsArbitrary, segmentsArbitrary, (a, b) => {
      const x = renderPath(a);
      const y = renderPath(b);
      expect(Math.sign(comparePaths(x, y))).toBe(
        Math.sign(Buffer.compare(Buffer.from(x), Buffer.from(y))),
      );
    }),
  );
  expect(['a/b', 'é', 'a-b', '_x', '😀', '\uffee', 'A'].toSorted(comparePaths)).toEqual([
    'A',
    '_x',
    'a-b',
    'a/b',
    'é',
    '\uffee',
    '😀',
  ]);
});

test('an ancestor is a strict prefix by segments', () => {
  fc.assert(
    fc.property(segmentsArbitrary, segmentArbitrary, (segments, segment) => {
      const parent = renderPath(segments);
      const child = childPath(parent, segment);
      expect(isAncestor(parent, child)).toBe(true);
      expect(isAncestor(child, parent)).toBe(false);
      expect(isAncestor(parent, asPath(`${parent}x`))).toBe(false);
      expect(parentOf(child)).toBe(parent);
    }),
  );
  expect(isAncestor(asPath('a'), asPath('a'))).toBe(false);
  expect(parentOf(asPath('a'))).toBeNull();
});

test('a store name is org/name in small letters', () => {
  expect(parseStoreName('acme/app')).toBe('acme/app');
  expect(parseStoreName(`${'a'.repeat(63)}/${'b'.repeat(128)}`)).not.toBeNull();
  const bad = [
    'acme',
    'Acme/app',
    '-a/b',
    'a/b/c',
    'a_b/c',
    'a/.b',
    'a/b\n',
    `${'a'.repeat(64)}/b`,
    7,
    null,
  ];
  for (const text of bad) expect(parseStoreName(text)).toBeNull();
});
