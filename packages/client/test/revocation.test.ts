import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Client,
  memoryCache,
  type RejectedWrite,
  type Revocation,
  type Store,
} from '@holdfast/client';
import type { GivenPrincipal } from '@holdfast/server';
import { asStoreName } from '@holdfast/protocol';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

const full: GivenPrincipal = {
  subject: 'u',
  orgs: ['acme'],
  scopes: ['entries:read', 'entries:write'],
};
const name = asStoreName('acme/app');

let world: World;
let writer: Store;
/** What the token `me` may do now. */
let grants: Partial<GivenPrincipal> | null;

beforeEach(async () => {
  grants = {};
  world = await openWorld(async ({ token }) => {
    if (token === 'all') return full;
    return token === 'me' && grants !== null ? { ...full, subject: 'me', ...grants } : null;
  });
  writer = await world.store({ token: 'all' });
  await writer.transact((tx) => {
    tx.put('mine/a', 1);
    tx.put('theirs/b', 2);
  }).committed;
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

function readable(...patterns: string[]): Partial<GivenPrincipal> {
  return { pathRules: patterns.map((pattern) => ({ pattern, allow: ['read', 'write'] })) };
}

function subject(scope?: readonly string[]) {
  const cache = memoryCache();
  const revoked: Revocation[] = [];
  const rejected: RejectedWrite[] = [];
  const valve = new Valve();
  const client = world.client({
    token: 'me',
    cache,
    link: valve,
    onRevoked: (each) => revoked.push(each),
    onRejected: (each) => rejected.push(each),
  });
  const store = client.store('acme/app', scope === undefined ? {} : { scope });
  return { cache, revoked, rejected, valve, client, store };
}

/** Three handles, opened at once. */
function parts(client: Client): readonly Store[] {
  return [['mine/**'], ['theirs/**'], ['mine/a', 'theirs/b']].map((scope) =>
    client.store('acme/app', { scope }),
  );
}

async function kept(cache: ReturnType<typeof memoryCache>): Promise<readonly string[]> {
  const image = await cache.load(name);
  return [...(image?.entries ?? [])].map(({ path }) => path);
}

const within5s = { timeout: 5000 };

describe('rights that are lost', () => {
  it('S101 S102 what may no longer be read leaves what is shown, and the cache, within 5 s of a narrower rule (P76)', async () => {
    const { cache, revoked, store } = subject();
    await store.ready;
    expect(store.get('theirs/b')).toBe(2);
    const seen: unknown[] = [];
    store.on('**', ({ path, value }) => seen.push([path, value]));
    grants = readable('mine/**');
    await expect.poll(() => store.get('theirs/b'), within5s).toBeUndefined();
    expect(store.get('mine/a')).toBe(1);
    await expect.poll(() => seen).toEqual([['theirs/b', undefined]]);
    expect(revoked).toEqual([{ store: 'acme/app', patterns: ['**'], error: null }]);
    expect(await kept(cache)).toEqual(['mine/a']);
    await writer.put('theirs/b', 'secret').committed;
    await store.put('mine/a', 3).committed;
    expect(store.get('theirs')).toBeUndefined();
    // What is granted again comes back.
    grants = {};
    await expect.poll(() => store.get('theirs/b'), within5s).toBe('secret');
    expect(revoked).toHaveLength(1);
  });

  it('S101 a store that is refused altogether is gone, and the writes that wait for it are refused (P76)', async () => {
    const { cache, revoked, rejected, store, valve } = subject();
    await store.ready;
    valve.holdOut();
    store.put('mine/a', 9);
    grants = { storeAccess: { mode: 'selected', storeIds: ['x'] } };
    valve.cut();
    await expect.poll(() => store.status.get().connection).not.toBe('connected');
    store.put('mine/b', 9);
    await expect.poll(() => store.status.get().error?.code, within5s).toBe('store_not_allowed');
    expect(store.entries().items).toEqual([]);
    expect(await kept(cache)).toEqual([]);
    expect(revoked).toMatchObject([{ patterns: ['**'], error: { code: 'store_not_allowed' } }]);
    // The one may have got through before.
    await expect
      .poll(() => rejected)
      .toMatchObject([
        { error: { code: 'outcome_unknown', details: { cause: 'store_not_allowed' } } },
        { error: { code: 'store_not_allowed' } },
      ]);
    await expect(store.ready).rejects.toMatchObject({ code: 'store_not_allowed' });
    expect(store.status.get().pending).toBe(0);
  });

  it('S102 of several parts those that may no longer be read are gone, and the others go on', async () => {
    const { client, revoked, store } = subject(['mine/**']);
    await store.ready;
    const theirs = client.store('acme/app', { scope: ['theirs/**'] });
    await theirs.ready;
    expect(theirs.get('theirs/b')).toBe(2);
    grants = readable('mine/**');
    await expect.poll(() => theirs.get('theirs/b'), within5s).toBeUndefined();
    expect(store.get('mine/a')).toBe(1);
    expect(revoked).toHaveLength(1);
  });

  it('S102 who may read nothing may still write; what may not be made is refused', async () => {
    const { revoked, store, valve } = subject(['theirs/**']);
    await store.ready;
    valve.holdOut();
    const lost = store.put('theirs/b', 7);
    const blind = store.put('mine/new', 8, { blind: true });
    const sure = expect(lost.committed).rejects.toMatchObject({ code: 'path_not_allowed' });
    grants = readable('mine/**');
    valve.cut();
    await sure;
    await blind.committed;
    expect(store.get('theirs/b')).toBeUndefined();
    expect(writer.get('theirs/b')).toBe(2);
    expect(revoked).toMatchObject([
      { patterns: ['theirs/**'], error: { code: 'path_not_allowed' } },
    ]);
    await expect(store.ready).rejects.toMatchObject({ code: 'path_not_allowed' });
    expect(store.status.get().error).toMatchObject({ code: 'path_not_allowed' });
    grants = {};
    await expect.poll(() => store.get('theirs/b'), within5s).toBe(2);
    await store.ready;
  });

  it('S102 a part of which nothing may be read is refused, and no other one', async () => {
    grants = readable('mine/**');
    const { client, store, revoked } = subject(['mine/**']);
    await store.ready;
    const theirs = client.store('acme/app', { scope: ['theirs/**'] });
    await expect(theirs.ready).rejects.toMatchObject({ code: 'path_not_allowed' });
    expect(store.status.get().error).toBeUndefined();
    expect(revoked).toEqual([]);
  });

  it('S78 a token that is invalid ends the client; nothing is known of what it might read, so the cache stays', async () => {
    const { cache, revoked, store } = subject();
    await store.ready;
    grants = null;
    await expect.poll(() => store.status.get().connection, within5s).toBe('failed');
    expect(store.get('theirs/b')).toBe(2);
    expect(await kept(cache)).toHaveLength(2);
    expect(revoked).toEqual([]);
  });

  it('what is written to a store that is refused already is refused too, or committed once it may be had again (C1)', async () => {
    grants = { storeAccess: { mode: 'selected', storeIds: [] } };
    const { store } = subject();
    await expect(store.ready).rejects.toMatchObject({ code: 'store_not_allowed' });
    const refused = { code: 'store_not_allowed' };
    await expect(store.put('mine/c', 3).committed).rejects.toMatchObject(refused);
    await expect(store.put('mine/d', 4).committed).rejects.toMatchObject(refused);
    expect(store.status.get().pending).toBe(0);
    grants = {};
    // A socket of other rights is opened within seconds; until then what is written is refused.
    const again = (): Promise<unknown> => store.put('mine/e', 5).committed;
    await expect
      .poll(
        async () =>
          again().then(
            () => true,
            () => false,
          ),
        within5s,
      )
      .toBe(true);
    await expect.poll(() => writer.get('mine/e')).toBe(5);
  });

  it('what is written to a store that was purged waits for another of its name, and is committed once a write finds it there (C1)', async () => {
    const { id = '' } = (await world.server.stores.create('acme/gone')) ?? {};
    const { client, valve, rejected } = subject();
    const store = client.store('acme/gone');
    await store.put('old', 1).committed;
    await world.server.stores.purge(id);
    const refusals = (): number =>
      valve.received.filter((each) => String(each).includes('unauthorized')).length;
    await expect.poll(refusals).toBe(1);
    const early = [store.put('a', 1), store.put('b', 2)];
    await expect.poll(refusals).toBe(2);
    expect(store.status.get().error?.code).toBe('unauthorized');
    await world.server.stores.create('acme/gone');
    expect(await store.put('c', 3).committed).toMatchObject({ seq: 3 });
    expect(early.map(({ outcome }) => outcome?.status)).toEqual(['committed', 'committed']);
    expect([store.get('old'), store.get('a'), refusals(), rejected]).toEqual([undefined, 1, 2, []]);
  });

  it('what was written before a store was found not to be there goes with what is written once it is (C1)', async () => {
    const { client } = subject();
    const store = client.store('acme/none');
    const early = store.put('a', 1);
    await expect(store.ready).rejects.toMatchObject({ code: 'unauthorized' });
    await world.server.stores.create('acme/none');
    expect(early.outcome).toBeNull();
    expect(await store.put('b', 2).committed).toMatchObject({ seq: 2 });
    expect(await early.committed).toMatchObject({ seq: 1 });
  });
});

describe('parts that are asked for at once', () => {
  const denied = { code: 'path_not_allowed' };
  it('S102 are refused where nothing of one may be read, as that would be alone, and the others go on', async () => {
    grants = readable('mine/**');
    const { client, revoked } = subject([]);
    const [mine, theirs, both] = parts(client);
    await mine?.ready;
    await expect(theirs?.ready).rejects.toMatchObject(denied);
    await expect(both?.ready).rejects.toMatchObject(denied);
    expect([mine?.get('mine/a'), both?.get('mine/a'), theirs?.get('theirs')]).toEqual([
      1,
      1,
      undefined,
    ]);
    expect(mine?.status.get().error).toBeUndefined();
    await expect(client.store('acme/app', { scope: ['theirs/**'] }).ready).rejects.toMatchObject(
      denied,
    );
    expect(revoked).toEqual([]);
  });

  it('S102 come when they may be read after all, go when they may not, and come again', async () => {
    grants = readable('mine/**');
    const { client, revoked, valve } = subject([]);
    const [mine, theirs] = parts(client);
    await mine?.ready;
    for (const _ of ['once', 'twice']) {
      // oxlint-disable no-await-in-loop -- one after the other
      await expect(theirs?.ready).rejects.toMatchObject(denied);
      grants = {};
      valve.cut();
      await expect.poll(() => theirs?.get('theirs/b')).toBe(2);
      await theirs?.ready;
      grants = readable('mine/**');
      valve.cut();
      await expect.poll(() => theirs?.get('theirs/b')).toBeUndefined();
      // oxlint-enable no-await-in-loop
    }
    await expect(theirs?.ready).rejects.toMatchObject(denied);
    expect(mine?.get('mine/a')).toBe(1);
    const all = ['mine/**', 'mine/a', 'theirs/**', 'theirs/b'];
    const told = revoked.map(({ patterns, error }) => [patterns.toSorted(), error]);
    expect(told).toEqual([
      [all, null],
      [all, null],
    ]);
  });

  it('S102 are shown, as far as they may be read, from a cache without a connection, and what may not is refused with one', async () => {
    grants = readable('mine/**');
    const { cache, client } = subject([]);
    await parts(client)[0]?.ready;
    await client.close();
    const valve = new Valve();
    valve.down();
    const [mine, theirs] = parts(world.client({ token: 'me', cache, link: valve }));
    await expect.poll(() => mine?.get('mine/a')).toBe(1);
    valve.up();
    await expect(theirs?.ready).rejects.toMatchObject(denied);
    await mine?.ready;
    // By a tail.
    expect(valve.received.join('\n')).not.toContain('snapshot_begin');
  });
});
