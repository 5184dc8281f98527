import { renderPath } from '@holdfast/protocol';
import fc from 'fast-check';

const segment = fc.constantFrom(
  'a',
  'b',
  'a-',
  'a-b',
  'a/b',
  '~',
  '_',
  'é',
  '\u{10000}',
  '\u{ffff}',
);

/** Paths that often meet, in segments that are hard to sort or to escape. */
export const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map(renderPath);
