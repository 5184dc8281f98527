import { passthrough, record } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { world } from '../conversation/world.ts';
import { http, person } from './site.ts';

const spec = { store: 'demo/main', version: '1.0', schema: passthrough<object>() } as const;
const Secret = record({ ...spec, name: 'a', path: 'a/:id', visibility: { '*': () => false } });
const Ruled = record({ ...spec, name: 'a', path: 'a/:id' });
const Owned = record({ ...spec, name: 'a', path: 'a/:id', authority: { name: 'lww' } });

test.for([
  ['a field', Secret, {}],
  ['an object', Ruled, { read: () => false }],
  ['the writing of a field', Owned, {}],
] as const)(
  'R228 S101 from whom a record keeps %s, makes no token from which it does not',
  async ([, def, rules]) => {
    const scopes = new Set(['entries:read', 'entries:write', 'tokens:write'] as const);
    const made = await world({
      authenticate: async ({ token }) =>
        person(token, { scopes, ...(token === 'service' && { tokenId: 't' }) }),
    });
    made.server.record(def, rules);
    await made.server.stores.create('demo/other');
    const make = async (token: string, more: object): Promise<readonly unknown[]> => {
      const answer = await fetch(`${made.url}/api/tokens`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'n', scopes: [...scopes], ...more }),
      });
      const told = (await answer.json()) as { reason?: string; raw_token?: string };
      return [answer.status, told.reason ?? told.raw_token];
    };
    const refused = [403, 'path_not_allowed'];
    expect(await make('eve', {})).toEqual(refused);
    expect(await make('eve', { path_rules: null })).toEqual(refused);
    expect(await make('eve', { store_names: ['demo/other', 'demo/main'] })).toEqual(refused);
    expect((await make('eve', { store_name: 'demo/other' }))[0]).toBe(201);
    const [status] = await make('service', {});
    expect(status).toBe(201);
    const [, token] = await make('eve', {
      path_rules: [{ pattern: '**', allow: ['read', 'write'] }],
    });
    const put = await http(made, 'PUT', 'entries/a/1', { token: 'service', body: { of: 1 } });
    expect(put.status).toBe(200);
    const asked = { token: String(token), body: { of: 2 } };
    expect((await http(made, 'PUT', 'entries/a/1', asked)).json['reason']).toBe('forbidden_field');
  },
);
