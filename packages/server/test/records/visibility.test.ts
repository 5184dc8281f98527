import { record } from '@holdfast/protocol';
import { type Principal, type RecordFault, scopes } from '@holdfast/server';
import type { FilePlace } from '@holdfast/server/storage';
import { memory } from '@holdfast/server/storage/memory';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Peer } from '../conversation/peer.ts';
import { everything, topic, world, type World } from '../conversation/world.ts';
import { http, person, transact, write } from './site.ts';

const spec = {
  name: 'person',
  store: 'demo/main',
  path: 'people/:id',
  version: '1.0',
  schema: z.object({
    name: z.string().optional(),
    mood: z.string().optional(),
    email: z.string().optional(),
    friends: z.array(z.string()).optional(),
    note: z.string().optional(),
  }),
} as const;

const Person = record({
  ...spec,
  visibility: {
    name: () => true,
    mood: ({ principal, params, value }) =>
      principal.subject === params.id ||
      (principal.subject !== null && value.friends?.includes(principal.subject) === true),
    email: ({ principal, params }) => principal.subject === params.id,
    friends: ({ principal, params }) => principal.subject === params.id,
  },
});

const ada = { name: 'Ada', mood: 'merry', email: 'a@x', friends: ['bob'], note: 'secret' };

type Site = World & { readonly faults: RecordFault[] };

async function site(people: { readonly [token: string]: Partial<Principal> } = {}): Promise<Site> {
  const faults: RecordFault[] = [];
  const made = await world({
    onError: (fault) => faults.push(fault),
    authenticate: async ({ token }) => {
      if (token === 'dev') return everything;
      return token === null ? null : person(token === 'nobody' ? null : token, people[token]);
    },
  });
  const persons = made.server.record(Person);
  await persons.write({ id: 'ada' }, { set: ada });
  return { ...made, faults };
}

/** What a client holds after the frames that it has heard. */
class Holding {
  readonly leaves = new Map<string, unknown>();

  hear(event: string, payload: Peer['heard'][number][4]): void {
    if (event === 'snapshot_begin') this.#begin(payload['within'] as string[] | null);
    else if (event === 'snapshot_chunk') {
      for (const [path, value] of payload['entries'] as [string, unknown][]) this.#put(path, value);
    } else if (event === 'events') {
      for (const op of payload['ops'] as [number, string, string, unknown][]) this.#apply(op);
    }
  }

  #begin(within: readonly string[] | null): void {
    const roots = (within ?? ['**']).map((glob) => glob.replace(/\/?\*\*$/, ''));
    for (const root of roots) {
      if (root === '' || root.includes('*')) this.leaves.clear();
      else this.#clear(root);
    }
  }

  #apply([, op, path, value]: readonly [number, string, string, unknown]): void {
    if (op !== 'merge') this.#clear(path);
    if (op !== 'delete') this.#put(path, value);
  }

  #clear(path: string): void {
    for (const each of this.leaves.keys()) {
      if (each === path || each.startsWith(`${path}/`)) this.leaves.delete(each);
    }
  }

  #put(path: string, value: unknown): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.leaves.set(path, value);
      return;
    }
    for (const [key, child] of Object.entries(value)) this.#put(`${path}/${key}`, child);
  }
}

/** What a peer holds of people, by path. */
function held(peer: Peer): { readonly [path: string]: unknown } {
  const holding = new Holding();
  for (const [, , , event, payload] of peer.heard) holding.hear(event, payload);
  const all = [...holding.leaves].filter(([path]) => path.startsWith('people/'));
  return Object.fromEntries(all);
}

/** Waits until everything that was sent before has come. */
async function settle(peer: Peer): Promise<void> {
  await peer.ask(topic, 'scope', {});
}

/** How a request says who asks. */
function as(token: string) {
  return { headers: { authorization: `Bearer ${token}` } };
}

/** A rule that does not say what rules say. */
function odd(said: () => unknown): () => boolean {
  return said as () => boolean;
}

describe('Visibility', () => {
  test('R214 R215 R216 R217 R218 owner, friend, stranger and nobody see what the rules say; without a rule it is hidden', async () => {
    const made = await site();
    const sees = async (token: string): Promise<object> => held(await made.joined({ token }));
    const { note: _, ...own } = ada;
    expect(await sees('ada')).toEqual(prefixed(own));
    expect(await sees('bob')).toEqual(prefixed({ name: 'Ada', mood: 'merry' }));
    expect(await sees('eve')).toEqual(prefixed({ name: 'Ada' }));
    expect(await sees('nobody')).toEqual(prefixed({ name: 'Ada' }));
    // Administrators see all.
    expect(await sees('dev')).toEqual(prefixed(ada));
  });

  test('R219 R228 no surface tells a stranger of what is hidden, and a commit of hidden leaves only sends nothing', async () => {
    const made = await site();
    const stranger = await made.joined({ token: 'eve' });
    const owner = await made.joined({ token: 'ada', device: 'd2' });
    await write(owner, { op: 'set', path: 'people/ada/email', value: 'hidden@x' });
    await write(owner, { op: 'merge', path: 'people/ada', value: { mood: 'sad', name: 'Ada L' } });
    await settle(stranger);
    expect(held(stranger)).toEqual(prefixed({ name: 'Ada L' }));
    expect(JSON.stringify(stranger.heard)).not.toMatch(/hidden@x|sad|merry|secret/);
    const token = 'eve';
    const read = async (path: string, body?: object): Promise<string> =>
      JSON.stringify(
        await http(made, body ? 'POST' : 'GET', path, { token, ...(body && { body }) }),
      );
    expect(await read('entries/people/ada')).toContain('"value":{"name":"Ada L"}');
    expect((await http(made, 'GET', 'entries/people/ada/email', { token })).status).toBe(404);
    const list = await read('entries?pattern=people/**');
    expect(list).toContain('people/ada/name');
    const paths = { paths: ['people/ada'], subtrees: true };
    const texts = [
      list,
      await read('entries/people'),
      await read('entries/batch', paths),
      await read('diff?from_seq=0'),
    ];
    const { url } = made;
    const headers = { authorization: 'Bearer eve' };
    const exported = await fetch(`${url}/api/stores/demo/main/export`, { headers });
    texts.push(await exported.text());
    for (const text of texts) {
      expect(text).toContain('Ada L');
      expect(text).not.toMatch(/hidden@x|sad|merry|secret|email|note/);
    }
  });

  test('R226 when a class changes, what became hidden leaves the client and what became visible comes', async () => {
    const made = await site();
    const friend = await made.joined({ token: 'bob' });
    const owner = await made.joined({ token: 'ada', device: 'd2' });
    await write(owner, { op: 'set', path: 'people/ada/friends', value: ['eve'] });
    await settle(friend);
    expect(held(friend)).toEqual(prefixed({ name: 'Ada' }));
    await write(owner, { op: 'set', path: 'people/ada/friends', value: ['bob'] });
    await settle(friend);
    expect(held(friend)).toEqual(prefixed({ name: 'Ada', mood: 'merry' }));
    // Of the note not even its owner knows: only code of the server may remove it.
    const removed = await write(owner, { op: 'delete', path: 'people/ada' });
    expect(removed.response).toEqual({ reason: 'forbidden_field', fields: [] });
    await http(made, 'DELETE', 'entries/people/ada');
    await settle(friend);
    expect(held(friend)).toEqual({});
  });

  test('R226 who comes back gets what its view has become meanwhile, though the log could have told it', async () => {
    const made = await site();
    const friend = await made.joined({ token: 'bob' });
    const { response } = await friend.ask(topic, 'scope', {});
    friend.cut();
    const owner = await made.joined({ token: 'ada', device: 'd2' });
    await write(owner, { op: 'set', path: 'people/ada/friends', value: ['eve'] });
    const again = await made.connect({ token: 'bob' });
    const join = { last_store_seq: response['seq'], scope: response['scope'] };
    const reply = await again.join(topic, join);
    expect(reply.response['sync']).toBe('tail');
    await settle(again);
    const parts = again.heard.filter(([, , , event]) => event === 'snapshot_begin');
    expect(parts.map(([, , , , payload]) => payload['within'])).toEqual([['people/ada/**']]);
    expect(held(again)).toEqual(prefixed({ name: 'Ada' }));
  });

  test('R226 a principal whose attributes change is another viewer', async () => {
    const people: { [token: string]: Partial<Principal> } = { bob: {} };
    const made = await site(people);
    const peer = await made.joined({ token: 'bob' });
    Object.assign(people, { bob: { claims: { friends: ['ada'] } } });
    expect(await peer.closed()).toBe(4002);
  });

  test('R225 a rule that throws, promises or says something else denies, and that is told of', async () => {
    const faults: RecordFault[] = [];
    const made = await world({
      onError: (fault) => faults.push(fault),
      authenticate: async ({ token }) => person(token),
    });
    const Odd = record({
      ...spec,
      visibility: {
        name: odd(() => 'yes'),
        mood: odd(async () => true),
        email: () => {
          throw new Error('no');
        },
        '*': () => true,
      },
    });
    const persons = made.server.record(Odd);
    await persons.write({ id: 'ada' }, { set: ada });
    const peer = await made.joined({ token: 'eve' });
    expect(held(peer)).toEqual(prefixed({ friends: ['bob'], note: 'secret' }));
    expect(faults.length).toBeGreaterThanOrEqual(3);
    expect(faults[0]).toMatchObject({ phase: 'visibility', record: 'person' });
  });

  test('R227 writes of a projected viewer neither remove nor overwrite what is hidden', async () => {
    const made = await site();
    const peer = await made.joined({ token: 'eve' });
    const forbidden = { reason: 'forbidden_field' };
    const tries = [
      { op: 'set', path: 'people/ada', value: { name: 'Eve' } },
      { op: 'set', path: 'people/ada/email', value: 'e@x' },
      { op: 'delete', path: 'people/ada' },
      { op: 'set', path: 'people', value: {} },
    ];
    for (const each of tries) expect((await write(peer, each)).response).toMatchObject(forbidden);
    const guard = [{ path: 'people/ada/email', equals: 'a@x' }];
    const guarded = await transact(peer, [{ op: 'set', path: 'other', value: 1 }], {
      preconditions: guard,
    });
    expect(guarded.response['reason']).toBe('path_not_allowed');
    // As a client sends the set of a record: a merge of what it sees.
    await transact(peer, [{ op: 'merge', path: 'people/ada', value: { name: 'Eve' } }]);
    const { json } = await http(made, 'GET', 'entries/people/ada');
    expect(json['value']).toEqual({ ...ada, name: 'Eve' });
    const bad = await write(peer, { op: 'set', path: 'people/ada/name', value: 7 });
    expect(bad.response['issues']).toMatchObject([{ path: ['name'] }]);
  });

  test('where a store is purged while it is looked for a file that somebody names, the other stores that hold it count', async () => {
    const storage = memory();
    const made = await world({
      storage,
      authenticate: async ({ token }) =>
        token === 'dev' ? everything : person(token, { scopes: new Set(scopes.slice(1)) }),
    });
    const { url, server } = made;
    const path = 'album/:id';
    const schema = z.object({ photo: z.unknown() });
    const visibility = { '*': () => true };
    server.record(
      record({ name: 'album', store: 'demo/:at', path, version: '1.0', schema, visibility }),
    );
    const request = (way: string, method: string, more: RequestInit = {}): Promise<Response> =>
      fetch(`${url}/api/stores/demo/${way}`, { ...as('dev'), method, ...more });
    const put = await request('main/files/album/a/photo', 'PUT', { body: 'bytes' });
    const { hash } = (await put.json()) as { hash: string };
    for (const name of ['kept', 'other'] as const) await server.stores.create(`demo/${name}`);
    await request('kept/files/album/a/photo', 'PUT', { body: 'bytes' });
    const places = storage.files.places.bind(storage.files);
    storage.files.places = async function* purging(...asked) {
      const found: FilePlace[] = [];
      for await (const place of places(...asked)) found.push(place);
      expect((await request('main?purge=true', 'DELETE')).status).toBe(200);
      yield* found;
    };
    const body = { _type: 'file', hash, size: 5, content_type: 'a/b', filename: null };
    const value = { ...body, uploaded_at: '2026-01-01T00:00:00.000Z' };
    const peer = await made.connect({ token: 'ada' });
    await peer.join('store:demo/other');
    const push = { client_op_id: '1', op: 'set', path: 'copy', value };
    expect(await peer.ask('store:demo/other', 'write', push)).toMatchObject({ status: 'ok' });
  });

  test('R228 neither a file nor a webhook is a way to what is hidden', async () => {
    const made = await world({
      authenticate: async ({ token }) =>
        token === 'dev' ? everything : person(token, { scopes: new Set(scopes.slice(1)) }),
    });
    const Album = record({
      name: 'album',
      store: 'demo/main',
      path: 'people/:id',
      version: '1.0',
      schema: z.object({ photo: z.unknown() }),
      visibility: { photo: (c) => c.principal.subject === c.params.id },
    });
    made.server.record(Album);
    const { url } = made;
    const file = `${url}/api/stores/demo/main/files/people/ada/photo`;
    const put = await fetch(file, { ...as('dev'), method: 'PUT', body: 'bytes' });
    const { hash } = (await put.json()) as { hash: string };
    const statusOf = async (path: string, token: string): Promise<number> =>
      (await fetch(path, as(token))).status;
    expect([await statusOf(file, 'ada'), await statusOf(file, 'eve')]).toEqual([200, 404]);
    const byHash = `${url}/api/files/${hash}`;
    expect([await statusOf(byHash, 'ada'), await statusOf(byHash, 'eve')]).toEqual([200, 404]);
    // Nor by naming its content in another store, to be downloaded there (stores.md §14.4).
    await made.server.stores.create('demo/other');
    const name = async (token: string): Promise<unknown> => {
      const body = { _type: 'file', hash, size: 5, content_type: 'a/b', filename: null };
      const value = { ...body, uploaded_at: '2026-01-01T00:00:00.000Z' };
      const entry = `${url}/api/stores/demo/other/entries/copy`;
      const headers = { ...as(token).headers, 'content-type': 'application/json' };
      const named = await fetch(entry, { method: 'PUT', headers, body: JSON.stringify(value) });
      return ((await named.json()) as { readonly error?: string }).error;
    };
    expect([await name('eve'), await name('ada')]).toEqual(['unknown_file', undefined]);
    const hook = (patterns: readonly string[]) =>
      http(made, 'POST', 'webhooks', {
        token: 'eve',
        body: { url: 'https://example.com/hook', patterns },
      });
    expect((await hook(['people/*/photo'])).status).toBe(403);
    expect((await hook(['**'])).status).toBe(403);
    expect((await hook(['posts/**'])).status).toBe(201);
  });

  test('R228 a read rule that refuses hides the whole object', async () => {
    const made = await world({ authenticate: async ({ token }) => person(token) });
    const open = record({ ...spec, visibility: { '*': () => true } });
    const persons = made.server.record(open, {
      read: (ctx, ref, value) => ref.params.id === ctx.principal.subject || value.mood === 'open',
    });
    await persons.write({ id: 'ada' }, { set: ada });
    await persons.write({ id: 'bob' }, { set: { name: 'Bob', mood: 'open' } });
    const peer = await made.joined({ token: 'bob' });
    expect(held(peer)).toEqual({ 'people/bob/name': 'Bob', 'people/bob/mood': 'open' });
    await persons.write({ id: 'ada' }, { patch: { mood: 'open' } });
    await settle(peer);
    expect(held(peer)).toMatchObject({ 'people/ada/name': 'Ada', 'people/ada/email': 'a@x' });
  });
});

function prefixed(value: object): object {
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [`people/ada/${key}`, each]),
  );
}
