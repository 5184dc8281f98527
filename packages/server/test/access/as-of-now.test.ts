import type { Json } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { asOfNow } from '../../src/access/as-of-now.ts';
import { everything } from '../conversation/world.ts';

test('a principal stays what it was when it was given, with its claims, also where these lead back to themselves', () => {
  const claims: { [name: string]: Json } = { teams: ['red'], of: { role: 'editor' } };
  claims['self'] = claims;
  const given = { ...everything, claims };
  const principal = asOfNow(given);
  expect(principal).toEqual(given);
  claims['teams'] = ['blue'];
  expect(principal.claims?.['teams']).toEqual(['red']);
});

test('a principal of a class stays the very object', () => {
  class Person {
    readonly name = 'Ann';
  }
  const person = Object.assign(new Person(), everything);
  expect(asOfNow(person)).toBe(person);
});
