import {
  asPath,
  covers,
  isRefusal,
  matches,
  parseGlob,
  type Path,
  type Pattern,
  renderPath,
  segmentsOf,
} from '@holdfast/protocol';
import { Matcher } from '@holdfast/engine/data';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

function glob(text: string): Pattern {
  const pattern = parseGlob(text);
  if (isRefusal(pattern)) throw new TypeError(`${text}: ${pattern.code}`);
  return pattern;
}

function hits<T>(matcher: Matcher<T>, path: string): T[] {
  const found: T[] = [];
  matcher.match(asPath(path), (item) => found.push(item));
  return found;
}

const segment = fc.constantFrom('a', 'b', '*', '\\*', '**', '~1', '__proto__');
const globs = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((parts) => parts.filter((part, i) => part !== '**' || i === parts.length - 1).join('/'))
  .filter((text) => text !== '');
const paths = fc
  .array(fc.constantFrom('a', 'b', '*', '**', '/', '__proto__'), { minLength: 1, maxLength: 4 })
  .map((segments): Path => renderPath(segments));

describe('A matcher', () => {
  test('finds exactly the patterns that match, one by one, strictly and as scopes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(globs, fc.boolean()), { maxLength: 12 }),
        fc.array(paths, { maxLength: 6 }),
        (registered, probes) => {
          const matcher = new Matcher<number>();
          const patterns = registered.map(([text]) => glob(text));
          const removals = patterns.map((pattern, index) => matcher.add(pattern, index));
          for (const [index, [, isRemoved]] of registered.entries()) {
            if (isRemoved) removals[index]?.();
          }
          const kept = patterns.flatMap((pattern, index) =>
            registered[index]?.[1] ? [] : [{ pattern, index }],
          );
          for (const path of probes) {
            const strict = kept.filter(({ pattern }) => matches(pattern, segmentsOf(path)));
            const scoped = kept.filter(({ pattern }) => covers(pattern, segmentsOf(path)));
            const covered: number[] = [];
            matcher.cover(path, (index) => covered.push(index));
            expect(hits(matcher, path).toSorted((a, b) => a - b)).toEqual(
              strict.map(({ index }) => index),
            );
            expect(covered.toSorted((a, b) => a - b)).toEqual(scoped.map(({ index }) => index));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('S76 posts/** sees what is below posts, at any depth, and not posts itself', () => {
    const matcher = new Matcher<string>();
    matcher.add(glob('posts/**'), 'below');
    matcher.add(glob('posts/hello'), 'one');
    expect(hits(matcher, 'posts')).toEqual([]);
    expect(new Set(hits(matcher, 'posts/hello'))).toEqual(new Set(['below', 'one']));
    expect(hits(matcher, 'posts/hello/title')).toEqual(['below']);
  });

  test('calls an item once per registration, and a removal takes back one of them, once', () => {
    const matcher = new Matcher<string>();
    const first = matcher.add(glob('a/*'), 'x');
    matcher.add(glob('a/*'), 'x');
    expect(hits(matcher, 'a/b')).toEqual(['x', 'x']);
    first();
    first();
    expect(hits(matcher, 'a/b')).toEqual(['x']);
  });

  test('an old removal called again leaves a later registration of the same pattern alone', () => {
    const matcher = new Matcher<string>();
    const remove = matcher.add(glob('a/b'), 'old');
    remove();
    matcher.add(glob('a/b'), 'new');
    remove();
    expect(hits(matcher, 'a/b')).toEqual(['new']);
  });

  test('passes over what a callback removes, and calls what it adds from the next time on', () => {
    const matcher = new Matcher<string>();
    const seen: string[] = [];
    const removals = new Map<string, () => void>();
    for (const name of ['first', 'second']) removals.set(name, matcher.add(glob('a'), name));
    const hit = (item: string): void => {
      seen.push(item);
      removals.get('second')?.();
      if (seen.length === 1) matcher.add(glob('a'), 'third');
    };
    matcher.match(asPath('a'), hit);
    expect(seen).toEqual(['first']);
    matcher.match(asPath('a'), hit);
    expect(seen).toEqual(['first', 'first', 'third']);
  });
});
