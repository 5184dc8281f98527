import { createHash } from 'node:crypto';

import { describe, expect, test } from 'vitest';

import {
  Access,
  type Authenticate,
  type Credentials,
  mayUseStore,
  type Principal,
  refuseScope,
  scopes,
  TokenAuthority,
} from '../../src/access/index.ts';
import { memory } from '../../src/storage/index.ts';
import type { TokenRow } from '../../src/storage/port.ts';

const HOUR = 3_600_000;

function setUp(authenticate?: Authenticate) {
  const clock = { at: 1_000_000, now: () => clock.at };
  const storage = memory({ now: clock.now });
  const tokens = new TokenAuthority(storage, clock);
  const access = new Access({ tokens, now: clock.now, ...(authenticate ? { authenticate } : {}) });
  const issue = (expiresAt: number | null = null) =>
    tokens.issue({
      name: 'test',
      org: 'acme',
      scopes: ['entries:write', 'entries:read'],
      storeAccess: { mode: 'all' },
      expiresAt,
      createdBy: 'ann',
    });
  return { clock, storage, tokens, access, issue };
}

function socket(token: string, query: string, headers = {}): Credentials {
  return { token, params: new URLSearchParams(query), headers };
}

function credentials(token: string | null): Credentials {
  return { token, params: new URLSearchParams(), headers: {} };
}

const ann: Principal = {
  subject: 'ann',
  orgs: ['acme'],
  scopes: new Set(['entries:read']),
  storeAccess: { mode: 'all' },
  expiresAt: null,
  tokenId: null,
};

const store = { id: '1', name: 'acme/blog' } as Parameters<typeof mayUseStore>[1];

function circle(): object {
  const own: { self?: object } = {};
  own.self = own;
  return own;
}

describe('tokens', () => {
  test('S10 an issued token is known again; nothing that is stored contains it (P43)', async () => {
    const { access, issue, storage } = setUp();
    const { row, rawToken } = await issue();
    expect(rawToken).toMatch(/^hf_tok_[A-Za-z0-9_-]{43}$/);
    expect(await access.authenticate(credentials(rawToken))).toEqual({
      subject: `token:${row.id}`,
      orgs: ['acme'],
      scopes: new Set(['entries:read', 'entries:write']),
      storeAccess: { mode: 'all' },
      expiresAt: null,
      tokenId: row.id,
    });
    const stored = await storage.tokens.list('acme');
    expect(stored).toMatchObject([{ creator: 'ann', last4: rawToken.slice(-4), org: 'acme' }]);
    expect(JSON.stringify(stored)).not.toContain(rawToken.slice(7, -4));
  });

  test('S10 imported tokens and JWTs are what the configured authenticator makes of them', async () => {
    const known = new Map([
      ['dust_tok_abc', ann],
      ['eyJhbGciOi.eyJzdWIi.c2ln', { ...ann, subject: 'bob' }],
    ]);
    const { access, issue } = setUp(({ token }) => Promise.resolve(known.get(token ?? '') ?? null));
    expect(await access.authenticate(credentials('dust_tok_abc'))).toMatchObject({
      subject: 'ann',
    });
    expect(await access.authenticate(credentials('eyJhbGciOi.eyJzdWIi.c2ln'))).toMatchObject({
      subject: 'bob',
    });
    expect(await access.authenticate(credentials('dust_tok_abd'))).toBeNull();
    const { rawToken, row } = await issue();
    expect(await access.authenticate(credentials(rawToken))).toMatchObject({ tokenId: row.id });
  });

  test('S10 an imported token is nobody where no authenticator accepts it', async () => {
    const { access } = setUp();
    const strangers = [null, '', 'dust_tok_abc', 'a.b.c', `hf_tok_${'x'.repeat(43)}`];
    const found = await Promise.all(
      strangers.map((token) => access.authenticate(credentials(token))),
    );
    expect(found).toEqual(strangers.map(() => null));
  });

  test('two tokens are never the same', async () => {
    const { issue } = setUp();
    const issued = await Promise.all(Array.from({ length: 100 }, () => issue()));
    expect(new Set(issued.map(({ rawToken }) => rawToken)).size).toBe(100);
  });

  test('a use is noted', async () => {
    const { access, issue, storage, clock } = setUp();
    const { row, rawToken } = await issue();
    clock.at += HOUR;
    await access.authenticate(credentials(rawToken));
    expect(await storage.tokens.get(row.id)).toMatchObject({ lastUsedAt: clock.at });
  });

  test('a use that cannot be noted keeps nobody out, and the operator hears of it', async () => {
    const { clock, issue, storage } = setUp();
    const { rawToken } = await issue();
    const full = new Error('the disk is full');
    const heard: unknown[] = [];
    const { create, get, find, list, orgs, revoke } = storage.tokens;
    const touch = (): Promise<void> => Promise.reject(full);
    const table = { create, get, find, list, orgs, revoke, touch };
    for (const [name, method] of Object.entries(table)) {
      if (name !== 'touch') Object.assign(table, { [name]: method.bind(storage.tokens) });
    }
    const tokens = new TokenAuthority({ tokens: table }, clock, (_what, error) =>
      heard.push(error),
    );
    expect(await tokens.authenticate(credentials(rawToken))).toMatchObject({ orgs: ['acme'] });
    expect(heard).toEqual([full]);
  });

  test('S102 a token has the path rules it was issued with, and is nobody where they cannot be read', async () => {
    const { access, issue, storage, tokens } = setUp();
    const { row } = await issue();
    const pathRules = [{ pattern: 'posts/**', allow: ['read' as const] }];
    const ruled = await tokens.issue({ ...row, createdBy: 'ann', pathRules, scopes: [] });
    expect(await access.authenticate(credentials(ruled.rawToken))).toMatchObject({ pathRules });
    const twin = `hf_tok_${'t'.repeat(43)}`;
    const hash = createHash('sha256').update(twin).digest('hex');
    const unknown: TokenRow['pathRules'] = [{ pattern: 'posts/**', allow: ['fly'] }];
    await storage.tokens.create({ ...row, id: 'twin', hash, pathRules: unknown });
    expect(await access.authenticate(credentials(twin))).toBeNull();
  });
});

describe('a configured authenticator is code of others', () => {
  test.each<[string, object]>([
    ['no object', new Set()],
    ['scopes as text', { ...ann, scopes: 'entries:read' }],
    ['an unknown scope', { ...ann, scopes: new Set(['entries:fly']) }],
    ['an unknown scope in a list', { subject: 'ann', scopes: ['entries:fly'] }],
    ['no subject', { orgs: ['acme'], scopes: ['admin'] }],
    ['a subject that is undefined', { subject: undefined }],
    ['no orgs', { ...ann, orgs: undefined }],
    ['an org that is no list', { ...ann, orgs: 'acme' }],
    ['no store access', { ...ann, storeAccess: undefined }],
    ['selected stores without ids', { ...ann, storeAccess: { mode: 'selected' } }],
    ['an expiry that is not a time', { ...ann, expiresAt: Number.NaN }],
    ['an expiry as text', { ...ann, expiresAt: '2030-01-01' }],
    ['path rules that are no list', { ...ann, pathRules: { pattern: '**', allow: ['read'] } }],
    ['a bad pattern', { ...ann, pathRules: [{ pattern: 'a/**/b', allow: ['read'] }] }],
    ['an unknown right', { ...ann, pathRules: [{ pattern: '**', allow: ['fly'] }] }],
  ])('S101 an answer with %s lets nobody in, and does not tell the token', async (_, answer) => {
    const { access } = setUp(() => Promise.resolve(answer as Principal));
    const asked = access.authenticate(credentials('eyJhbGciOi.secret.c2ln'));
    await expect(asked).rejects.toThrow(/no principal/);
    await expect(asked).rejects.not.toThrow(/secret/);
  });

  test.each(['admin', 'a', 'çé', '-a-', 's3cret/+'])(
    'S10 what it fails with is told whole but for the token, which is %s',
    async (token) => {
      const { access } = setUp(async () => {
        throw new Error(`no administrator has a façade of (${token}) or user_${token}`);
      });
      const asked = access.authenticate(credentials(token));
      const article = token === 'a' ? '[redacted]' : 'a';
      const message = `no administrator has ${article} façade of ([redacted]) or user_[redacted]`;
      await expect(asked).rejects.toMatchObject({ message });
    },
  );
});

describe('a principal may be given in short', () => {
  class Person {
    readonly subject = 'ann';
    readonly name: string;
    constructor(name: string) {
      this.name = name;
    }
    greet(): string {
      return `Hello ${this.name}`;
    }
  }

  test('what is left out grants nothing', async () => {
    const { access } = setUp(() => ({ subject: 'ann' }));
    const principal = await access.authenticate(credentials('x'));
    expect(principal).toEqual({
      subject: 'ann',
      orgs: [],
      scopes: new Set(),
      storeAccess: { mode: 'all' },
      expiresAt: null,
      tokenId: null,
    });
    if (principal === null) throw new Error('nobody');
    expect(mayUseStore(principal, store)).toBe(false);
    expect(scopes.filter((scope) => refuseScope(principal, scope) === null)).toEqual([]);
  });

  test('orgs and a list of scopes together open the stores of those orgs', async () => {
    const { access } = setUp(() => ({ subject: 'ann', orgs: ['acme'], scopes: ['entries:read'] }));
    const principal = await access.authenticate(credentials('x'));
    if (principal === null) throw new Error('nobody');
    expect(principal.scopes).toEqual(new Set(['entries:read']));
    expect(mayUseStore(principal, store)).toBe(true);
  });

  test('what it has of its own stays, methods too, and open sockets go on', async () => {
    const { access } = setUp(() => new Person('Ann'));
    const seen = credentials('x');
    const principal = await access.authenticate(seen);
    expect(principal).toBeInstanceOf(Person);
    expect(principal instanceof Person && principal.greet()).toBe('Hello Ann');
    if (principal === null) throw new Error('nobody');
    expect(await access.recheck(seen, principal)).toBe('valid');
  });
});

// Never run: what counts is what compiles.
export const written: readonly Authenticate[] = [
  () => ({ subject: 'ada' }),
  async () => ({ subject: null, rooms: ['a'] }),
  ({ token }) => (token === 'x' ? { subject: 'ada', orgs: ['acme'], scopes: ['admin'] } : null),
  // @ts-expect-error -- a scope that there is not
  () => ({ subject: 'ada', scopes: ['entries:fly'] }),
  // @ts-expect-error -- without a subject it would be anonymous by mistake
  () => ({ orgs: ['acme'] }),
  // @ts-expect-error -- selected stores without ids
  () => ({ subject: 'ada', storeAccess: { mode: 'selected' } }),
];

describe('open sockets are checked again', () => {
  test('S101 a token that is revoked or expires is invalid at the next look', async () => {
    const { access, tokens, issue, clock } = setUp();
    const brief = await issue(clock.at + HOUR);
    const other = await issue();
    const check = async ({ rawToken, row }: typeof brief) =>
      access.recheck(credentials(rawToken), {
        ...ann,
        subject: `token:${row.id}`,
        tokenId: row.id,
        scopes: new Set(['entries:read', 'entries:write']),
      });
    expect([await check(brief), await check(other)]).toEqual(['valid', 'valid']);
    await tokens.revoke(other.row.id);
    expect([await check(brief), await check(other)]).toEqual(['valid', 'invalid']);
    clock.at += HOUR;
    expect(await check(brief)).toBe('invalid');
  });

  test('S101 a principal whose expiry passes is invalid, whoever vouched for it', async () => {
    const { access, clock } = setUp(() => Promise.resolve({ ...ann, expiresAt: 2_000_000 }));
    expect(await access.recheck(credentials('x'), ann)).toBe('valid');
    clock.at = 2_000_000;
    expect(await access.recheck(credentials('x'), ann)).toBe('invalid');
  });

  test.each<[string, Partial<Principal>]>([
    ['fewer scopes', { scopes: new Set() }],
    ['other scopes', { scopes: new Set(['entries:write']) }],
    ['another subject', { subject: 'bob' }],
    ['another org', { orgs: ['globex'] }],
    ['selected stores', { storeAccess: { mode: 'selected', storeIds: ['1'] } }],
    ['path rules', { pathRules: [] }],
  ])('S101 grants that changed to %s are noticed', async (_, change) => {
    let now = ann;
    const { access } = setUp(() => Promise.resolve(now));
    expect(await access.recheck(credentials('x'), ann)).toBe('valid');
    now = { ...ann, ...change };
    expect(await access.recheck(credentials('x'), ann)).toBe('changed');
  });

  test.each<[string, object, object]>([
    ['a role', { role: 'boss' }, { role: 'guest' }],
    ['a claim', { claims: { team: 1 } }, { claims: {} }],
    ['a set', { teams: new Set(['a', 'b']) }, { teams: new Set(['a']) }],
    ['a map', { of: new Map([['a', 1]]) }, { of: new Map([['a', 2]]) }],
    ['a date', { until: new Date(1) }, { until: new Date(2) }],
    ['a number', { level: 1n }, { level: 1 }],
    ['bytes', { key: new Uint8Array([1]) }, { key: new Uint8Array([2]) }],
    ['something', { is: [{ a: 1 }, undefined] }, { is: [{ a: 1 }, null] }],
  ])('S101 so is what an application says of somebody: %s is gone', async (_, had, has) => {
    let now = { ...ann, ...had };
    const { access } = setUp(() => Promise.resolve(now));
    expect(await access.recheck(credentials('x'), { ...ann, ...had })).toBe('valid');
    const { ...before } = now;
    now = { ...ann, ...has };
    expect(await access.recheck(credentials('x'), before)).toBe('changed');
    now = ann;
    expect(await access.recheck(credentials('x'), before)).toBe('changed');
  });

  test('S101 what only looks different of it is not: order, functions, what is undefined', async () => {
    const one = { a: { x: 1, y: new Set([1, 2]) }, can: () => true, own: circle() };
    const other = {
      none: undefined,
      own: circle(),
      can: () => true,
      a: { y: new Set([2, 1]), x: 1 },
    };
    const { access } = setUp(() => Promise.resolve({ ...ann, ...other }));
    expect(await access.recheck(credentials('x'), { ...ann, ...one })).toBe('valid');
  });

  test('S101 rules that changed are noticed; their order is not', async () => {
    const [a, b] = [
      { pattern: 'a/**', allow: ['read', 'write'] as const },
      { pattern: 'b/**', allow: ['read'] as const },
    ];
    let now: Principal = { ...ann, pathRules: [a, b] };
    const { access } = setUp(() => Promise.resolve(now));
    const before = now;
    now = { ...ann, pathRules: [b, { ...a, allow: ['write', 'read'] }] };
    expect(await access.recheck(credentials('x'), before)).toBe('valid');
    now = { ...ann, pathRules: [a] };
    expect(await access.recheck(credentials('x'), before)).toBe('changed');
  });

  test('S101 sockets that differ in their device only are looked at once, in one turn and no longer', async () => {
    const asked: string[] = [];
    const { access } = setUp(({ token, params }) => {
      asked.push(`${token ?? ''} ${params.get('room') ?? ''}`);
      return Promise.resolve(ann);
    });
    const sockets = [
      socket('x', 'device_id=1', { 'sec-websocket-key': 'one', 'user-agent': 'a' }),
      socket('x', 'device_id=2', { 'sec-websocket-key': 'two', 'user-agent': 'b' }),
      socket('x', 'device_id=1&room=7'),
      socket('y', 'device_id=1'),
    ];
    const look = () => Promise.all(sockets.map((each) => access.recheck(each, ann)));
    expect(await look()).toEqual(['valid', 'valid', 'valid', 'valid']);
    expect(asked.toSorted()).toEqual(['x ', 'x 7', 'y ']);
    await look();
    expect(asked).toHaveLength(6);
  });

  test('an expiry that only moves on, and another order, are no change', async () => {
    const before = { ...ann, storeAccess: { mode: 'selected', storeIds: ['1', '2'] } } as const;
    const { access } = setUp(() =>
      Promise.resolve({
        ...ann,
        expiresAt: 9_000_000,
        storeAccess: { mode: 'selected', storeIds: ['2', '1'] },
      }),
    );
    expect(await access.recheck(credentials('x'), before)).toBe('valid');
  });
});

describe('what a principal may', () => {
  test('a store is open to its org, all of it or where it is selected', () => {
    const selected = (...storeIds: string[]) =>
      ({ ...ann, storeAccess: { mode: 'selected', storeIds } }) as const;
    expect(mayUseStore(ann, store)).toBe(true);
    expect(mayUseStore(selected('2', '1'), store)).toBe(true);
    expect(mayUseStore(selected('2'), store)).toBe(false);
    expect(mayUseStore({ ...ann, orgs: ['acm', 'acme2'] }, store)).toBe(false);
    expect(mayUseStore({ ...selected('1'), orgs: ['globex'] }, store)).toBe(false);
  });

  test('a scope that is missing is named', () => {
    expect(refuseScope(ann, 'entries:read')).toBeNull();
    expect(refuseScope(ann, 'entries:write')?.toResponse()).toMatchObject({
      reason: 'missing_scope',
      scope: 'entries:write',
      message: expect.stringContaining('entries:write'),
    });
    const admin = { ...ann, scopes: new Set(['admin'] as const) };
    expect(refuseScope(admin, 'entries:read')).not.toBeNull();
  });
});
