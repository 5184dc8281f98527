import fc from 'fast-check';
import { isRefusal, type Json } from '@holdfast/protocol';

/** The reason of a refusal; otherwise the result itself, so that a failing test shows it. */
export function codeOf(result: unknown): unknown {
  return isRefusal(result) ? result.code : result;
}

const character = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom('/', '~', '*', '.', '%', '_', '\\', '😀', '𐀀') },
  {
    weight: 3,
    arbitrary: fc
      .string({ unit: 'binary', minLength: 1, maxLength: 1 })
      .filter((text) => text !== '\0'),
  },
);

/** A segment within the limits, rich in the characters that matter. */
export const segmentArbitrary: fc.Arbitrary<string> = fc
  .array(character, { minLength: 1, maxLength: 12 })
  .map((characters) => characters.join(''));

/** The segments of a path within the limits. */
export const segmentsArbitrary: fc.Arbitrary<string[]> = fc.array(segmentArbitrary, {
  minLength: 1,
  maxLength: 8,
});

/** Any JSON value, with the keys that tempt prototypes and envelopes. */
export const jsonArbitrary: fc.Arbitrary<Json> = fc.letrec<{ json: Json; key: string }>((tie) => ({
  key: fc.oneof(
    fc.constantFrom('__proto__', 'constructor', '_type', '_typed', '_scalar', '_json', 'a', 'b'),
    fc.string({ unit: 'binary', maxLength: 8 }),
  ),
  json: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.string({ maxLength: 300 }),
    ),
    fc.array(tie('json'), { maxLength: 5 }),
    fc
      .array(fc.tuple(tie('key'), tie('json')), { maxLength: 5 })
      .map((pairs) => Object.fromEntries(pairs)),
  ),
})).json;
