import type { Dice } from '../src/dice.ts';

const keys = [
  'a',
  'b',
  '_scalar',
  '_json',
  '_type',
  '_typed',
  '__proto__',
  'constructor',
  'toString',
  'value',
  '',
  'x/y',
  '~',
  '~2',
  'é',
  '\u{1F600}',
  'a\u0000b',
  '\uD800',
  'k'.repeat(300),
];
const scalars: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  1,
  -1,
  0.5,
  1e308,
  2 ** 53,
  -(2 ** 53) - 2,
  5e-324,
  '',
  'text',
  'a\u0000b',
  '\uDC00',
  '\u{1F600}',
  'null',
  '__proto__',
  'fuzz/a',
];
const typed: readonly unknown[] = [
  { _type: 'decimal', value: '1.50' },
  { _type: 'decimal', value: '1e' },
  { _type: 'datetime', value: '2026-01-01T00:00:00Z' },
  { _type: 'datetime', value: 'yesterday' },
  { _type: 'bigint', value: '123456789012345678901234567890' },
  { _type: 'bytes', value: 'AAEC' },
  { _type: 'bytes', value: '!' },
  { _type: 'lease', holder: null, token: 1, expires_at: 0 },
  { _type: 'file', hash: 'x' },
  { _type: 'nothing', value: 1 },
  { _type: 7 },
  { _typed: true, value: { a: 1 } },
];

/** Any JSON, with a liking for what goes wrong. */
export function anyValue(dice: Dice, depth = 0): unknown {
  const roll = dice.below(100);
  if (roll < 45 || depth > 4) return dice.pick(scalars);
  if (roll < 55) return dice.pick(typed);
  if (roll < 70) return Array.from({ length: dice.below(4) }, () => anyValue(dice, depth + 1));
  if (roll < 97) return anyObject(dice, depth);
  return roll < 99 ? nested(dice.below(80)) : 'x'.repeat(dice.below(80_000));
}

function anyObject(dice: Dice, depth: number): object {
  const members = Array.from({ length: dice.below(4) }, (): [string, unknown] => [
    dice.pick(keys),
    anyValue(dice, depth + 1),
  ]);
  return fromMembers(members);
}

/** As a decoder makes it: `__proto__` is a key like any other. */
export function fromMembers(members: Iterable<readonly [string, unknown]>): object {
  const made = {};
  for (const [key, value] of members) {
    Object.defineProperty(made, key, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return made;
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

const segments = ['a', 'b', 'c', 'd~1e', '~0', 'é', '*', '**', '_type', '__proto__', 'A b'];
const badPaths: readonly unknown[] = [
  '',
  '/',
  'fuzz/',
  '/fuzz',
  'fuzz//a',
  'fuzz/~',
  'fuzz/~7',
  'fuzz/a\u0000',
  'fuzz/\uD800',
  `fuzz/${'x'.repeat(256)}`,
  `fuzz${'/a'.repeat(40)}`,
  `fuzz${'/abcdefghij'.repeat(100)}`,
  '_dust:sf/a',
  '_dust',
  null,
  7,
  {},
  ['fuzz'],
];

/** A path below `fuzz`, most of the time a valid one. */
export function anyPath(dice: Dice): unknown {
  if (dice.chance(0.15)) return dice.pick(badPaths);
  const depth = 1 + dice.below(3);
  return ['fuzz', ...Array.from({ length: depth }, () => dice.pick(segments))].join('/');
}
