import type { Authenticate, Principal } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { VirtualClock } from './clock.ts';
import { put } from './talk.ts';
import { everything, world } from './world.ts';

test('users whom nothing but their cookies tells apart are looked at each by itself, and who is signed out is closed alone', async () => {
  const clock = new VirtualClock();
  const users = new Map([
    ['session=1', 'ann'],
    ['session=2', 'bob'],
  ]);
  const authenticate: Authenticate = async ({ headers }) => {
    const subject = users.get(headers['cookie'] ?? '');
    return subject === undefined ? null : { ...everything, subject };
  };
  const { joined } = await world({ clock, authenticate, storage: memory({ now: clock.wall }) });
  const [ann, bob] = await Promise.all(
    [...users.keys()].map((cookie, at) =>
      joined({ token: null, device: `d${at}`, headers: { cookie } }),
    ),
  );
  if (ann === undefined || bob === undefined) throw new Error('nobody came');
  await clock.pass(5000);
  expect(await put(ann, 'a', 1)).toBe(1);
  expect(await put(bob, 'a', 2)).toBe(2);
  users.delete('session=2');
  await clock.pass(5000);
  expect(await bob.closed()).toBe(4001);
  expect(await put(ann, 'a', 3)).toBe(3);
});

const changes: readonly (readonly [string, object])[] = [
  ['presence', { presence: false }],
  ['an org', { orgs: ['demo', 'other'] }],
  ['a scope', { scopes: new Set(['entries:read']) }],
  ['the way to stores', { storeAccess: { mode: 'selected', storeIds: [] } }],
  ['path rules', { pathRules: [{ pattern: '**', allow: ['read'] }] }],
  ['a claim of the application', { role: 'editor' }],
];

test.each(changes)(
  'a socket is closed with 4002 as soon as %s is another one for who opened it, and stays where it only ends later',
  async (_what, change) => {
    const clock = new VirtualClock();
    let now: Partial<Principal> = { expiresAt: clock.wall() + 60_000 };
    const authenticate: Authenticate = async () => ({ ...everything, ...now });
    const { joined } = await world({ clock, authenticate, storage: memory({ now: clock.wall }) });
    const peer = await joined();
    now = { expiresAt: clock.wall() + 90_000 };
    await clock.pass(5000);
    expect(await put(peer, 'a', 1)).toBe(1);
    now = change;
    await clock.pass(5000);
    expect(await peer.closed()).toBe(4002);
  },
);

type Kept = { -readonly [Name in keyof Principal]: Principal[Name] } & { role: string };

const ways: readonly (readonly [string, (kept: Kept) => void])[] = [
  ['all path rules', ({ pathRules }) => Array.isArray(pathRules) && pathRules.pop()],
  ['what a rule lets', ({ pathRules }) => Object.assign(pathRules?.[0] ?? {}, { allow: [] })],
  ['an org', ({ orgs }) => Array.isArray(orgs) && orgs.push('other')],
  ['a scope', ({ scopes }) => scopes instanceof Set && scopes.delete('audit:read')],
  [
    'the way to stores',
    ({ storeAccess }) => Object.assign(storeAccess, { mode: 'selected', storeIds: [] }),
  ],
  ['a claim', ({ claims }) => Object.assign(claims?.['of'] ?? {}, { team: 'red' })],
  ['presence', (kept) => (kept.presence = true)],
  ['what the application adds', (kept) => (kept.role = 'editor')],
];

test.each(ways)(
  'a socket is closed with 4002 where the application has changed %s in the very object that it gives each time',
  async (_what, change) => {
    const clock = new VirtualClock();
    const kept: Kept = {
      ...everything,
      orgs: ['demo'],
      scopes: new Set(everything.scopes),
      storeAccess: { mode: 'all' },
      pathRules: [{ pattern: '**', allow: ['read', 'write'] }],
      claims: { of: { team: 'blue' } },
      presence: false,
      role: 'viewer',
    };
    const authenticate: Authenticate = async () => kept;
    const { joined } = await world({ clock, authenticate, storage: memory({ now: clock.wall }) });
    const peer = await joined();
    await clock.pass(5000);
    expect(await put(peer, 'a', 1)).toBe(1);
    change(kept);
    await clock.pass(5000);
    expect(await peer.closed()).toBe(4002);
  },
);
