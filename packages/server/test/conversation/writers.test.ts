import { scopes, type ServerOptions } from '@holdfast/server';
import { expect, test } from 'vitest';
import { directory } from '../catch-up/directory.ts';
import { VirtualClock } from './clock.ts';
import type { Peer } from './peer.ts';
import { principals } from './principals.ts';
import { opsIn, put, write } from './talk.ts';
import { type World, world } from './world.ts';
import { type Way, Writer, ways } from './writers.ts';

const authenticate = principals({
  reader: { scopes: new Set(scopes.filter((scope) => !scope.endsWith(':write'))) },
  guest: { pathRules: [{ pattern: 'mine/**', allow: ['read', 'write'] }] },
  spender: { limits: { write_burst: 1, writes_per_minute: 1 } },
});

const names = ways.map(([name]) => name);
const isImport = (name: string): boolean => name.includes('import');
const isAtOnce = (name: string): boolean => !isImport(name);
/** The `rollback` push has no id. */
const hasId = (name: string): boolean => !name.startsWith('rollback');
const isPush = (name: string): boolean => name.includes('capver');

/** Where each way writes, and when there was a leaf that was deleted since. */
type Places = ReadonlyMap<string, { readonly path: string; readonly since: number }>;

type Home = World & { readonly first: Peer; readonly places: Places };

/** A store in which something was, and is no more, at a path of each way below a folder. */
async function home(options: Partial<ServerOptions> = {}, folder = 'place'): Promise<Home> {
  const here = await world({ authenticate, ...options });
  const first = await here.joined({ device: 'first' });
  const places = new Map<string, { path: string; since: number }>();
  for (const [index, name] of names.entries()) {
    const path = `${folder}/${index}/leaf`;
    const since = await put(first, path, 'was');
    await write(first, 'delete', path);
    places.set(name, { path, since });
  }
  await put(first, 'other', 1);
  return { ...here, first, places };
}

/** What becomes of each way, in the name of a token. */
async function outcomes(
  { places }: Pick<Home, 'places'>,
  writer: Writer,
  fits: (name: string) => boolean = () => true,
): Promise<{ readonly [name: string]: string }> {
  const told: { [name: string]: string } = {};
  for (const [name, way] of ways) if (fits(name)) told[name] = await go(way, name);
  return told;

  async function go(way: Way, name: string): Promise<string> {
    const { path, since } = places.get(name) ?? { path: '', since: 0 };
    return way(writer, path, since);
  }
}

function each(outcome: string, fits: (name: string) => boolean = () => true): object {
  return Object.fromEntries(names.filter(fits).map((name) => [name, outcome]));
}

/** Nothing has taken a seq since the store was made. */
async function expectUntouched({ first }: Home): Promise<void> {
  expect(await put(first, 'other', 2)).toBe(2 * names.length + 2);
}

test('S41 what is written by whatever surface is heard in both dialects within 1 s of its answer, in seq order', async () => {
  // Its time stands still: what is heard has waited for no timer.
  const here = await home({ clock: new VirtualClock() });
  const listeners = [
    await here.joined({ capver: '3', device: 'old' }),
    await here.joined({ device: 'new' }),
  ];
  const writer = new Writer(here, 'dev');
  for (const [index, [name, way]] of ways.entries()) {
    const { path, since } = here.places.get(name) ?? { path: '', since: 0 };
    expect([name, await way(writer, path, since)]).toEqual([name, 'ok']);
    for (const listener of listeners) {
      const [op, ...more] = opsIn([await listener.next()]);
      expect([name, op?.seq, more]).toEqual([name, 2 * names.length + 2 + index, []]);
      expect(path.startsWith(op?.path ?? '?')).toBe(true);
    }
  }
});

test('S5 who may only read writes nothing by whatever surface', async () => {
  const here = await home();
  expect(await outcomes(here, new Writer(here, 'reader'))).toEqual(each('missing_scope'));
  await expectUntouched(here);
});

test('S27 what is no path, and what is reserved, is written by no surface', async () => {
  const here = await home();
  const writer = new Writer(here, 'dev');
  for (const [path, reason] of [
    ['a//b', 'empty_segment'],
    ['_hf:schema/x', 'reserved_path'],
  ] as const) {
    const places = new Map(names.map((name) => [name, { path, since: 1 }]));
    expect(await outcomes({ places }, writer)).toEqual(each(reason));
  }
  await expectUntouched(here);
});

test('S48 a live lease is neither replaced nor written below by whatever surface', async () => {
  for (const place of ['at', 'above'] as const) {
    const here = await home();
    for (const { path } of here.places.values()) {
      const key = place === 'at' ? path : path.slice(0, path.lastIndexOf('/'));
      await write(here.first, 'lease', key, { ttl_ms: 86_400_000 });
    }
    expect(await outcomes(here, new Writer(here, 'dev'))).toEqual(each('held'));
    expect(await put(here.first, 'other', 2)).toBe(3 * names.length + 2);
  }
});

test('S102 what path rules forbid is written by no surface, and what they allow by all but imports', async () => {
  const here = await home();
  expect(await outcomes(here, new Writer(here, 'guest'))).toEqual(each('path_not_allowed'));
  await expectUntouched(here);
  const own = await home({}, 'mine');
  expect(await outcomes(own, new Writer(own, 'guest'))).toEqual({
    ...each('ok'),
    ...each('path_not_allowed', isImport),
  });
});

test('S103 who has used up its rate writes by no surface; an import waits for it', async () => {
  const here = await home({ rates: {} });
  const writer = new Writer(here, 'spender');
  expect(await writer.json('PUT', 'entry?path=other', 2)).toBe('ok');
  const told = await outcomes(here, writer, isAtOnce);
  // A channel of capver 4 is blocked by the first.
  const blocked = Object.keys(told).filter((name) => told[name] === 'blocked');
  expect(blocked.every((name) => name.endsWith('on capver 4'))).toBe(true);
  const named = Object.fromEntries(blocked.map((name) => [name, 'blocked']));
  expect(told).toEqual({ ...each('rate_limited', isAtOnce), ...named });
  expect(await put(here.first, 'other', 3)).toBe(2 * names.length + 3);
});

test('S104 a store that is full takes no leaf by whatever surface', async () => {
  const here = await home({ quotas: { keys: 1 } });
  expect(await outcomes(here, new Writer(here, 'dev'))).toEqual(each('limit_exceeded'));
  await expectUntouched(here);
});

test('S110 a store that is archived is written by no surface', async () => {
  const here = await home();
  const writer = new Writer(here, 'dev');
  await writer.peer('3');
  await writer.peer('4');
  await writer.json('DELETE', '../main', {});
  expect(await outcomes(here, writer)).toEqual({
    ...each('store_archived'),
    // Their channels are closed.
    ...each('unmatched topic', isPush),
  });
});

test('S62 S106 what is asked for again under its id is answered as before and done once by whatever surface, also after a restart, beyond quota and rate, and in an archive; something else is refused', async () => {
  const data = directory();
  const before = await home({ data });
  const writer = new Writer(before, 'dev');
  const told = new Map<string, unknown>();
  for (const [name, way] of ways.filter(([what]) => hasId(what))) {
    const { path, since } = before.places.get(name) ?? { path: '', since: 0 };
    writer.id = `once ${name}`;
    expect([name, await way(writer, path, since)]).toEqual([name, 'ok']);
    told.set(name, writer.last);
    await way(writer, path, since);
    expect([name, writer.last]).toEqual([name, told.get(name)]);
  }
  await before.server.close();
  // Neither the quota nor the rate has room for anything else.
  const rates = { writes_per_minute: 1, write_burst: 1 };
  const here = await world({ authenticate, data, quotas: { keys: 1 }, rates });
  const again = new Writer(here, 'dev');
  const repeat = async (fits: (name: string) => boolean): Promise<void> => {
    for (const [name, way] of ways.filter(([what]) => fits(what))) {
      const { path, since } = before.places.get(name) ?? { path: '', since: 0 };
      again.id = `once ${name}`;
      await way(again, path, since);
      expect([name, again.last]).toEqual([name, told.get(name)]);
      const other = await way(again, `${path}/else`, since);
      expect(other).toBe(isPush(name) ? 'duplicate_op_id' : 'idempotency_key_reuse');
    }
  };
  await repeat(hasId);
  // One seq for each, and nothing since.
  const peer = await here.joined({ device: 'last' });
  expect(await put(peer, 'other', 2)).toBe(2 * names.length + 2 + told.size);
  await here.server.stores.archive(here.storeId);
  await repeat((name) => hasId(name) && !isPush(name));
}, 120_000);
