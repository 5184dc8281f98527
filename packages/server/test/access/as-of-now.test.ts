import { asStoreName, type Json } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { mayUseStore } from '../../src/access/access.ts';
import { asOfNow } from '../../src/access/as-of-now.ts';
import type { StoreAccess } from '../../src/access/principal.ts';
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

test('claims and access that are of a class say what they said', () => {
  class Claims {
    readonly [name: string]: Json;
    get blocked(): boolean {
      return true;
    }
  }
  const access: StoreAccess = Object.create({ mode: 'selected', storeIds: ['a'] });
  const claims = new Claims();
  const name = asStoreName('demo/main');
  const principal = asOfNow({ ...everything, claims, storeAccess: access });
  expect(principal.claims).toBe(claims);
  expect(principal.claims?.['blocked']).toBe(true);
  expect(mayUseStore(principal, { id: 'a', name })).toBe(true);
  expect(mayUseStore(principal, { id: 'b', name })).toBe(false);
});
