import { HoldfastError, RejectedError, type Store } from '@holdfast/client';
import { asStoreName } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openWorld, type World } from './world.ts';

let world: World;
let store: Store;

beforeEach(async () => {
  world = await openWorld();
  const { rawToken } = await world.issue(['entries:read', 'entries:write', 'audit:read']);
  store = await world.store({ token: rawToken, deviceId: 'desk' });
});
afterEach(() => world[Symbol.asyncDispose]());

const codeOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'it went well',
    (error: unknown) => (error instanceof HoldfastError ? error.code : error),
  );

const seqs = async (options: Parameters<Store['history']>[0]): Promise<number[]> =>
  (await store.history(options)).items.map(({ seq }) => seq);

/** Seqs 1 to 5: a title that changes, a counter, and something that goes. */
async function fill(): Promise<void> {
  await store.put('posts/a', { title: 'One' }).committed;
  await store.increment('posts/likes', 2).committed;
  await store.put('draft', 'x').committed;
  await store.put('posts/a/title', 'Two').committed;
  await store.delete('draft').committed;
}

describe('the log', () => {
  test('S89 tells ops newest first, with who made them and when, and goes on where a page ends', async () => {
    await fill();
    const first = await store.history({ limit: 2 });
    expect(first.items.map(({ seq, op, path }) => [seq, op, path])).toEqual([
      [5, 'delete', 'draft'],
      [4, 'set', 'posts/a/title'],
    ]);
    expect(first.items[1]).toMatchObject({
      value: 'Two',
      type: 'string',
      deviceId: 'desk',
      tx: null,
    });
    expect(Math.abs((first.items[1]?.at ?? 0) - Date.now())).toBeLessThan(60_000);
    const second = await store.history({ limit: 3, before: first.next ?? 0 });
    expect(second).toMatchObject({ items: [{ seq: 3 }, { seq: 2, arg: 2, value: 2 }, { seq: 1 }] });
    expect(second.next).toBeNull();
  });

  test('is filtered by pattern, op, device and time', async () => {
    await fill();
    expect(await seqs({ path: 'posts/**' })).toEqual([4, 2, 1]);
    expect(await seqs({ op: 'increment' })).toEqual([2]);
    expect(await seqs({ deviceId: 'another' })).toEqual([]);
    expect(await seqs({ until: 0 })).toEqual([]);
    expect(await seqs({ since: 0, limit: 1 })).toEqual([5]);
  });

  test('needs the scope, and says so; nonsense is told before anything is sent', async () => {
    const other = await world.store();
    expect(await codeOf(other.history())).toBe('missing_scope');
    await expect(store.history({ limit: 0 })).rejects.toThrow(RangeError);
    await expect(store.history({ before: 1.5 })).rejects.toThrow(RangeError);
    await expect(store.history({ path: '**/a' })).rejects.toThrow(RejectedError);
    await expect(store.history({ depth: 1 } as never)).rejects.toThrow(TypeError);
  });
});

describe('the past', () => {
  test('S93 reads like the present: values, types and revisions as they were', async () => {
    await fill();
    const then = store.at(3);
    expect(await then.get('posts/a')).toEqual({ title: 'One' });
    expect(await then.entry(['posts', 'likes'])).toEqual({
      path: 'posts/likes',
      value: 2,
      type: 'counter',
      revision: 2,
    });
    expect(await then.get('draft')).toBe('x');
    expect(await store.at(5).get('draft')).toBeUndefined();
    expect(await store.at(0).entries()).toEqual({ items: [], next: null });
  });

  test('is listed by pages as the present is, or whole however large it is', async () => {
    const rows = Object.fromEntries(Array.from({ length: 1100 }, (_, row) => [`r${row}`, row]));
    await store.put('rows', rows).committed;
    await store.delete('rows').committed;
    const then = store.at(1);
    const all = await then.entries('rows/*');
    expect(all.items).toHaveLength(1100);
    expect(all.next).toBeNull();
    const page = await then.entries('rows/*', { limit: 2, order: 'desc', select: 'keys' });
    expect(page).toEqual({ items: ['rows/r999', 'rows/r998'], next: 'rows/r998' });
    const { items } = await then.entries('rows/*', { limit: 1, order: 'desc', after: 'rows/r998' });
    expect(items).toMatchObject([{ path: 'rows/r997', value: 997, revision: 1 }]);
    expect(await then.entries('**', { select: 'prefixes' })).toEqual({
      items: ['rows'],
      next: null,
    });
  });

  test('that is not there yet is refused, and no seq at all is a mistake', async () => {
    await fill();
    expect(await codeOf(store.at(6).get('draft'))).toBe('invalid_seq');
    await expect(store.at(-1).get('draft')).rejects.toThrow(RangeError);
    expect(await codeOf(store.at(3).get('a//b'))).toBe('empty_segment');
  });
});

describe('a difference', () => {
  test('S90 is what came, went and changed between two seqs, and no more', async () => {
    await fill();
    expect(await store.diff(1, 3)).toEqual({
      from: 1,
      to: 3,
      changes: [
        {
          path: 'draft',
          before: undefined,
          after: 'x',
          beforeType: undefined,
          afterType: 'string',
        },
        {
          path: 'posts/likes',
          before: undefined,
          after: 2,
          beforeType: undefined,
          afterType: 'counter',
        },
      ],
    });
    const now = await store.diff(3);
    expect(now.to).toBe(5);
    expect(now.changes).toMatchObject([
      { path: 'draft', before: 'x', after: undefined },
      { path: 'posts/a/title', before: 'One', after: 'Two' },
    ]);
    expect(await codeOf(store.diff(5, 3))).toBe('invalid_params');
  });

  test('S90 from before what the log retains is refused as every other look back is', async () => {
    const storage = memory();
    await using old = await openWorld(undefined, { storage });
    const writer = await old.store();
    for (const n of [1, 2, 3]) await writer.put('n', n).committed;
    const row = await storage.stores.find(asStoreName('acme/app'));
    await storage.compact(row?.id ?? '', 2, 1000);
    const reader = await old.store();
    const refused = { code: 'beyond_retention', details: { oldest_seq: 3 } };
    await expect(reader.diff(1)).rejects.toMatchObject(refused);
    await expect(reader.at(1).get('n')).rejects.toMatchObject(refused);
    expect((await reader.diff(2)).changes).toMatchObject([{ before: 2, after: 3 }]);
    // A server may keep to itself how far back it reaches.
    const told = await old
      .client({
        env: { fetch: async () => Response.json({ error: 'compacted' }, { status: 409 }) },
      })
      .store('acme/app')
      .diff(1)
      .catch((error: unknown) => error);
    expect(told).toMatchObject({ code: 'beyond_retention', details: {} });
    expect(told).not.toHaveProperty('details.oldest_seq');
  });
});

describe('a rollback', () => {
  test('S91 of a path brings back what was there, and the replica has it when it is told', async () => {
    await fill();
    const back = await store.rollback({ path: 'posts/a', to: 3 });
    expect(back).toEqual({ seq: 6, changed: true });
    expect(store.get('posts')).toEqual({ a: { title: 'One' }, likes: 2 });
    expect(await store.rollback({ path: 'posts/a', to: 3 })).toMatchObject({ changed: false });
    expect((await store.history({ limit: 1 })).items[0]?.deviceId).toBe('system:rollback');
  });

  test('S92 of the store is one commit that every replica sees as one', async () => {
    await fill();
    const reader = await world.store();
    const seen: unknown[] = [];
    reader.on('**', ({ path, seq }) => seen.push([path, seq]));
    const { seq } = await store.rollback({ to: 3 });
    await reader.settled();
    await expect.poll(() => reader.status.get().seq).toBe(seq);
    expect(seen.map((each) => (each as unknown[])[0])).toEqual(['draft', 'posts/a/title']);
    expect(reader.get('draft')).toBe('x');
  });

  test('needs a connection, and is not sent later', async () => {
    await fill();
    const away = world.client({ token: world.token, url: 'http://127.0.0.1:1' }).store('acme/app');
    expect(await codeOf(away.rollback({ to: 1 }))).toBe('unavailable');
    expect(await codeOf(away.diff(1))).toBe('unavailable');
  });

  test('whose answer is lost is made once', async () => {
    await fill();
    let calls = 0;
    const flaky = await world.store({
      env: {
        fetch: async (url, init) => {
          const answer = await fetch(url, init);
          if (!url.includes('/rollback')) return answer;
          calls += 1;
          if (calls === 1) throw new TypeError('the line broke');
          return answer;
        },
      },
    });
    expect(await flaky.rollback({ to: 3 })).toEqual({ seq: 7, changed: true });
    expect(calls).toBe(2);
    expect(flaky.status.get().seq).toBe(7);
  });

  test('waits as if nothing had been said where it is to be tried again at once', async () => {
    await fill();
    const waits: number[] = [];
    const refused = Response.json({ error: 'overloaded', retry_after_ms: 0 }, { status: 503 });
    const answers = [refused];
    const hurried = await world.store({
      env: {
        random: () => 0.5,
        fetch: async (url, init) => answers.pop() ?? fetch(url, init),
        setTimeout: (run, ms) => {
          waits.push(ms);
          return setTimeout(run, ms);
        },
      },
    });
    expect(await hurried.rollback({ to: 3 })).toEqual({ seq: 7, changed: true });
    expect(waits).toContain(187.5);
  });

  test('beyond what is kept, of nothing, or by a closed handle is refused', async () => {
    expect(await codeOf(store.rollback({ to: 1 }))).toBe('no_ops');
    await fill();
    expect(await codeOf(store.rollback({ to: 99 }))).toBe('invalid_seq');
    store.close();
    expect(() => store.at(1)).toThrow(HoldfastError);
    expect(await codeOf(store.history())).toBe('closed');
  });
});
