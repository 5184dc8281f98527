import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import {
  contains,
  containsScope,
  covers,
  isRefusal,
  literalPrefix,
  matches,
  parseGlob,
  parsePath,
  type Pattern,
  renderPath,
} from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { codeOf } from './arbitraries.ts';

type GlobVector =
  | {
      readonly valid: true;
      readonly pattern_segments: string[];
      readonly pattern_rendered: string;
      readonly path: string[];
      readonly match: boolean;
    }
  | { readonly valid: false; readonly pattern_rendered: string; readonly error: string };

const vectors: readonly GlobVector[] = JSON.parse(
  readFileSync(new URL('vectors/glob_vectors.json', import.meta.url), 'utf8'),
);

function glob(text: string): Pattern {
  const pattern = parseGlob(text);
  if (isRefusal(pattern)) throw new Error(pattern.code);
  return pattern;
}

test.each(vectors)('S28 glob vector $pattern_rendered on $path', (vector) => {
  if (!vector.valid) {
    expect(codeOf(parseGlob(vector.pattern_rendered))).toBe(vector.error);
    return;
  }
  expect(parsePath(vector.pattern_rendered)).toEqual(vector.pattern_segments);
  expect(matches(glob(vector.pattern_rendered), vector.path)).toBe(vector.match);
});

// A small world: all paths of up to five segments, one more than any pattern here, over three names, two of which look like wildcards.
const names = ['a', 'b', '*'];
const world: readonly string[][] = [1, 2, 3, 4, 5].flatMap((length) => pathsOf(length));

function pathsOf(length: number): string[][] {
  if (length === 0) return [[]];
  return pathsOf(length - 1).flatMap((path) => names.map((name) => path.concat(name)));
}

const globArbitrary = fc
  .tuple(
    fc.array(fc.constantFrom('a', 'b', '*', '\\*'), { maxLength: 3 }),
    fc.constantFrom('a', '*', '**', '\\*'),
  )
  .map(([segments, last]) => renderPath([...segments, last]));

/** The definition, word by word: a trailing ** is one or more segments, so it is any number of *. */
function naive(segments: readonly string[], path: readonly string[]): boolean {
  const [segment, ...rest] = segments;
  const [name, ...below] = path;
  if (segment === undefined || name === undefined) return segment === name;
  if (segment === '**') return true;
  const literal = segment.startsWith('\\*') ? segment.slice(1) : segment;
  return (segment === '*' || literal === name) && naive(rest, below);
}

test('matching agrees with a naive matcher', () => {
  fc.assert(
    fc.property(globArbitrary, fc.constantFrom(...world), (text, path) => {
      expect(matches(glob(text), path)).toBe(naive(text.split('/'), path));
    }),
  );
});

test('as a scope pattern P/** also covers P, and nothing else changes', () => {
  fc.assert(
    fc.property(globArbitrary, fc.constantFrom(...world), (text, path) => {
      const parent = text.endsWith('/**') ? text.slice(0, -'/**'.length) : null;
      const covered =
        naive(text.split('/'), path) || (parent !== null && naive(parent.split('/'), path));
      expect(covers(glob(text), path)).toBe(covered);
    }),
  );
  expect(covers(glob('**'), [])).toBe(false);
});

test('containment agrees with enumeration', () => {
  fc.assert(
    fc.property(globArbitrary, globArbitrary, (outer, inner) => {
      const [wide, narrow] = [glob(outer), glob(inner)];
      const every = world
        .filter((path) => matches(narrow, path))
        .every((path) => matches(wide, path));
      expect(contains(wide, narrow)).toBe(every);
    }),
    { numRuns: 1000 },
  );
});

test('containment of scope patterns agrees with enumeration', () => {
  fc.assert(
    fc.property(globArbitrary, globArbitrary, (outer, inner) => {
      const [wide, narrow] = [glob(outer), glob(inner)];
      const every = world
        .filter((path) => covers(narrow, path))
        .every((path) => covers(wide, path));
      expect(containsScope(wide, narrow)).toBe(every);
    }),
    { numRuns: 1000 },
  );
});

test('the literal prefix ends before the first wildcard', () => {
  expect(literalPrefix(glob('a/\\*/b~1c/*/d'))).toEqual(['a', '*', 'b/c']);
  expect(literalPrefix(glob('**'))).toEqual([]);
});

test('a wildcard is a whole segment', () => {
  expect(matches(glob('a*/b'), ['a*', 'b'])).toBe(true);
  expect(matches(glob('a*/b'), ['ax', 'b'])).toBe(false);
  expect(codeOf(parseGlob('a/~'))).toBe('invalid_escape');
});
