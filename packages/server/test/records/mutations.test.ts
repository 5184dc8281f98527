import { passthrough, record, RejectedError } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { principals } from '../conversation/principals.ts';
import { world, type World } from '../conversation/world.ts';
import { headOf, http, person, transact, write } from './site.ts';

const union = (mine: string[] = [], theirs: string[] = []): string[] => [
  ...new Set([...theirs, ...mine]),
];
const Post = record({
  name: 'post',
  store: 'demo/main',
  path: 'posts/:id',
  version: '1.0',
  schema: z.object({
    title: z.string(),
    likes: z.number().optional(),
    tags: z.array(z.string()).optional(),
    owner: z.string().optional(),
  }),
  authority: { title: 'lww', likes: 'lww', tags: union, owner: 'server' },
  mutations: {
    like: {
      input: z.object({ by: z.number().int() }),
      apply: (post, { by }) => post && { ...post, likes: (post.likes ?? 0) + by },
    },
    claim: { apply: (post, input) => post && { ...post, title: 'mine', owner: String(input) } },
    create: { apply: (post, input) => post ?? { title: String(input) } },
    drop: { apply: () => undefined },
    same: { apply: (post) => post },
    clean: { apply: (post) => post && { title: post.title } },
    late: { apply: (() => Promise.reject(new Error('later'))) as never },
    bid: {
      apply: (_post, input) => {
        throw new RejectedError(String(input), { price: 30 });
      },
    },
  },
});

async function site(): Promise<World> {
  const made = await world({
    authenticate: principals({ eve: person('eve'), bob: person('bob') }),
  });
  const posts = made.server.record(Post, {
    mutations: {
      grant: { apply: (post, input) => ({ title: 'x', ...post, owner: String(input) }) },
    },
  });
  await posts.write({ id: '1' }, { set: { title: 'Hi', likes: 1, tags: ['a'], owner: 'ada' } });
  return made;
}

const mutate = (name: string, value: unknown = null, path = 'posts/1'): object => ({
  op: 'mutate',
  path,
  record: 'post',
  name,
  value,
});

describe('Mutations', () => {
  test('R243 a mutation by HTTP transact is judged as the one of whoever asks, and answered once for its key', async () => {
    const made = await world({
      authenticate: principals({ eve: person('eve'), bob: person('bob') }),
    });
    const asked: unknown[] = [];
    const posts = made.server.record(Post, {
      write: ({ principal }, { params }, intent) => {
        if (principal.subject !== null) asked.push([principal.subject, params, intent]);
        return principal.subject !== 'bob';
      },
    });
    await posts.write({ id: '1' }, { set: { title: 'Hi', likes: 1 } });
    const send = (token: string, key: string): Promise<Response> =>
      fetch(`${made.url}/api/stores/demo/main/transact`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'idempotency-key': key,
        },
        body: JSON.stringify({ ops: [mutate('like', { by: 2 })] }),
      });
    const [first, again] = [await send('eve', 'k1'), await send('eve', 'k1')];
    expect([first.status, again.headers.get('idempotent-replay')]).toEqual([200, 'true']);
    expect(await again.json()).toEqual(await first.json());
    expect((await send('bob', 'k2')).status).toBe(403);
    expect((await posts.get({ id: '1' })).value).toMatchObject({ likes: 3 });
    expect(asked).toContainEqual(['eve', { id: '1' }, expect.anything()]);
  });

  test('R125 a mutation runs on the value of the authority: alone, in a transaction, over HTTP', async () => {
    const made = await site();
    const peer = await made.joined({ token: 'eve' });
    const alone = await write(peer, mutate('like', { by: 1 }));
    expect(alone).toEqual({ status: 'ok', response: { store_seq: 3 } });
    const both = await transact(peer, [mutate('like', { by: 2 }), mutate('like', { by: 3 })]);
    const results = [{ store_seq: 4 }, { store_seq: 5 }];
    expect(both.response).toEqual({ store_seq: 5, first_seq: 4, results });
    const body = { ops: [mutate('like', { by: 4 })] };
    expect((await http(made, 'POST', 'transact', { body, token: 'bob' })).json['store_seq']).toBe(
      6,
    );
    expect((await http(made, 'GET', 'entries/posts/1/likes')).json['value']).toBe(11);
    const ops = peer.heard.flatMap(([, , , event, payload]) =>
      event === 'events' ? (payload['ops'] as unknown[][]) : [],
    );
    expect(ops.map(([, op, path]) => `${String(op)} ${String(path)}`)).toEqual(
      Array.from({ length: 4 }, () => 'set posts/1/likes'),
    );
  });

  test('R125 it is logged as a set or delete of each field that changes, as one set where nothing was', async () => {
    const made = await site();
    const peer = await made.joined({ token: 'eve' });
    expect(await write(peer, mutate('create', 'New', 'posts/2'))).toMatchObject({ status: 'ok' });
    expect(await write(peer, mutate('clean'))).toMatchObject({ status: 'ok' });
    expect(await write(peer, mutate('drop', null, 'posts/2'))).toMatchObject({ status: 'ok' });
    const { json } = await http(made, 'GET', 'log?limit=100');
    const log = json['ops'] as { op: string; path: string; store_seq: number }[];
    const fresh = log
      .filter(({ store_seq: seq }) => seq > 2)
      .map(({ op, path }) => `${op} ${path}`);
    // The owner is the server's: the mutation's change of it was put back.
    expect(fresh.toReversed()).toEqual([
      'set posts/2',
      'delete posts/1/likes',
      'delete posts/1/tags',
      'delete posts/2',
    ]);
  });

  test('R125 one that changes nothing commits nothing and says so', async () => {
    const made = await site();
    const peer = await made.joined({ token: 'eve' });
    const head = await headOf(peer);
    const reply = await write(peer, mutate('same'));
    expect(reply).toEqual({ status: 'ok', response: { noop: true, store_seq: head } });
    expect(await headOf(peer)).toBe(head);
  });

  test('a mutation that says no with a code of its own refuses the write for good with that, by socket and by HTTP', async () => {
    const made = await site();
    const peer = await made.joined({ token: 'eve' });
    const about = { record: 'post', path: 'posts/1', price: 30 };
    const { response } = await write(peer, mutate('bid', 'too_low'));
    expect(response).toEqual({ reason: 'too_low', ...about });
    // It blocks nothing: what comes behind is judged.
    expect(await write(peer, mutate('like', { by: 1 }))).toMatchObject({ status: 'ok' });
    const { response: both } = await transact(peer, [mutate('same'), mutate('bid', 'too_low')]);
    expect(both).toEqual({ reason: 'too_low', ...about, op_index: 1 });
    const body = { ops: [mutate('bid', 'too_low')] };
    const { status, json } = await http(made, 'POST', 'transact', { body, token: 'eve' });
    expect([status, json]).toEqual([409, { error: 'too_low', ...about, op_index: 0 }]);
    // What is no code is a failure of the application's.
    expect((await write(peer, mutate('bid', 'Too low!'))).response['reason']).toBe(
      'internal_error',
    );
  });

  test('what is no record, no mutation or no input is refused', async () => {
    const made = await site();
    const peer = await made.joined({ token: 'eve' });
    const reasonOf = async (op: object) => (await write(peer, op)).response['reason'];
    expect(await reasonOf({ ...mutate('like'), record: 'page' })).toBe('unknown_record');
    expect(await reasonOf(mutate('like', { by: 1 }, 'pages/1'))).toBe('unknown_record');
    expect(await reasonOf(mutate('like', { by: 1 }, 'posts/1/title'))).toBe('unknown_record');
    expect(await reasonOf(mutate('toString'))).toBe('unknown_mutation');
    expect(await reasonOf(mutate('like', { by: 'x' }))).toBe('invalid_params');
    expect(await reasonOf(mutate('like', { by: 1 }, 'posts/9'))).toBe('not_found');
    expect(await reasonOf(mutate('create', null, 'posts/1'))).toBe(undefined);
    const legacy = await made.joined({ token: 'eve', capver: '3', device: 'd3' });
    const { response } = await write(legacy, mutate('like', { by: 1 }));
    expect(response['reason']).toBe('invalid op');
  });

  test('without records every mutation is unknown_record', async () => {
    const peer = await (await world()).joined();
    expect((await write(peer, mutate('like'))).response['reason']).toBe('unknown_record');
  });

  test('a repeated mutation is the first one: it is not run again', async () => {
    const made = await site();
    const peer = await made.joined({ token: 'eve' });
    const once = { ...mutate('like', { by: 1 }), client_op_id: 'once' };
    const first = await write(peer, once);
    expect(await write(peer, once)).toEqual(first);
    expect((await http(made, 'GET', 'entries/posts/1/likes')).json['value']).toBe(2);
  });

  test('path rules are judged on what a mutation writes', async () => {
    const pathRules = [
      { pattern: '**', allow: ['read'] as const },
      { pattern: 'posts/1/title', allow: ['write'] as const },
    ];
    const made = await world({ authenticate: principals({ eve: person('eve', { pathRules }) }) });
    const posts = made.server.record(record({ ...plain, mutations: likeable }));
    await posts.write({ id: '1' }, { set: { title: 'a' } });
    const peer = await made.joined({ token: 'eve' });
    const refused = await write(peer, mutate('like', { by: 1 }));
    expect(refused.response).toMatchObject({ reason: 'path_not_allowed', path: 'posts/1' });
  });
});

const plain = {
  name: 'post',
  store: 'demo/main',
  path: 'posts/:id',
  version: '1.0',
  schema: passthrough<{ [field: string]: unknown }>(),
} as const;

const likeable = {
  like: { apply: (post: { [field: string]: unknown } | undefined) => ({ ...post, likes: 1 }) },
};

const strange: readonly (readonly [string, object, string])[] = [
  ['an empty field', mutate('holdfast:merge', { set: { '': 1 } }), 'empty_segment'],
  ['an empty key', mutate('holdfast:merge', { set: { a: { '': 1 } } }), 'empty_segment'],
  ['a key with U+0000', mutate('holdfast:merge', { set: { a: { '\0': 1 } } }), 'invalid_segment'],
  [
    'a key that is too long',
    mutate('holdfast:merge', { set: { a: { ['k'.repeat(256)]: 1 } } }),
    'segment_too_long',
  ],
  ['a number out of range', mutate('put', { likes: 0 }), 'number_out_of_range'],
  ['a type that is reserved', mutate('put', { _type: 'decimal' }), 'reserved_type'],
  ['a value that is too large', mutate('put', { text: '' }), 'value_too_large'],
  ['a map that is too deep', mutate('put', { deep: null }), 'too_deep'],
];

describe('What a mutation comes to', () => {
  const made: { readonly [field: string]: unknown } = {
    likes: 2 ** 53,
    _type: 'decimal',
    text: 'x'.repeat(70_000),
    deep: Array.from({ length: 40 }).reduce((inner) => ({ k: inner }), 1),
  };
  const put = {
    apply: (post: object | undefined, input: unknown) => {
      const [field = ''] = Object.keys(input as object);
      return { ...post, [field]: made[field] };
    },
  };
  const open = record({ ...plain, mutations: { put, ...likeable } });

  test.each(strange)(
    'S29 with %s is refused as that of any write, by code of the server as well',
    async (_what, op, reason) => {
      const home = await world();
      const posts = home.server.record(open);
      await posts.write({ id: '1' }, { set: { title: 'a' } });
      const peer = await home.joined();
      const head = await headOf(peer);
      const { status, response } = await write(peer, op);
      expect([status, response['reason']]).toEqual(['error', reason]);
      const { name, value } = op as { readonly name: string; readonly value: unknown };
      await expect(posts.write({ id: '1' }, { mutate: name, input: value })).rejects.toMatchObject({
        code: reason,
      });
      expect(await headOf(peer)).toBe(head);
      const { json } = await http(home, 'GET', 'entries/posts/1');
      expect(json['value']).toEqual({ title: 'a' });
    },
  );

  test('S46 is fenced where the request is, and takes no if_match', async () => {
    const home = await world();
    const posts = home.server.record(open);
    await posts.write({ id: '1' }, { set: { title: 'a' } });
    const peer = await home.joined();
    const { response } = await write(peer, { op: 'lease', path: 'posts/1/likes' });
    const token = Number(response['token']);
    const like = mutate('like');
    const fenced = { ...like, fence: { key: 'posts/1/likes', token: token + 1 } };
    expect((await write(peer, fenced)).response['reason']).toBe('fenced');
    expect((await transact(peer, [fenced])).response).toMatchObject({
      reason: 'fenced',
      op_index: 0,
    });
    expect((await write(peer, like)).response['reason']).toBe('held');
    expect((await write(peer, { ...like, if_match: 1 })).response).toEqual({
      reason: 'if_match_unsupported_op',
      op: 'mutate',
    });
    expect((await write(peer, { ...like, fence: 7 })).response['reason']).toBe(
      'invalid_precondition',
    );
    const own = { ...like, fence: { key: 'posts/1/likes', token } };
    expect((await write(peer, own)).status).toBe('ok');
  });

  test('S29 code of the server is held to the limits of what a store holds', async () => {
    const home = await world();
    const posts = home.server.record(open);
    const tries: readonly (readonly [object, string])[] = [
      [{ set: { text: 'x'.repeat(70_000) } }, 'value_too_large'],
      [{ set: { likes: 2 ** 53 } }, 'number_out_of_range'],
      [{ set: { '': 1 } }, 'empty_segment'],
      [{ set: { _type: 'lease', holder: null, token: 1, expires_at: 9e15 } }, 'reserved_type'],
      [{ patch: { '': 1 } }, 'empty_segment'],
      [{ increment: ['', 'likes'] }, 'empty_segment'],
    ];
    for (const [op, code] of tries) {
      await expect(posts.write({ id: '1' }, op as { remove: true })).rejects.toMatchObject({
        code,
      });
    }
    await expect(posts.write({ id: '1' }, () => ({ '\0': 1 }))).rejects.toMatchObject({
      code: 'invalid_segment',
    });
  });
});

describe('Field authority', () => {
  test('R154 a field that is no client’s is forbidden_field, also by a raw write of its path', async () => {
    const made = await site();
    const peer = await made.joined({ token: 'eve' });
    const head = await headOf(peer);
    const forbidden = { reason: 'forbidden_field', fields: ['owner'] };
    const tries = [
      { op: 'set', path: 'posts/1/owner', value: 'eve' },
      { op: 'delete', path: 'posts/1/owner' },
      { op: 'merge', path: 'posts/1', value: { owner: 'eve' } },
      { op: 'set', path: 'posts/1', value: { title: 'Hi', likes: 1, tags: ['a'] } },
      { op: 'set', path: 'posts/2', value: { title: 'Hi', owner: 'eve' } },
      mutate('holdfast:merge', { set: { owner: 'eve' } }),
    ];
    for (const each of tries) expect((await write(peer, each)).response).toEqual(forbidden);
    expect(await headOf(peer)).toBe(head);
    const same = { op: 'set', path: 'posts/1', value: { title: 'Ho', owner: 'ada' } };
    expect(await write(peer, same)).toMatchObject({ status: 'ok' });
  });

  test('R154 a mutation of the server may change any field, one that is shared may not, nor an op beside it', async () => {
    const made = await site();
    const peer = await made.joined({ token: 'eve' });
    await write(peer, mutate('claim', 'eve'));
    const read = async () => (await http(made, 'GET', 'entries/posts/1')).json['value'];
    expect(await read()).toMatchObject({ title: 'mine', owner: 'ada' });
    await write(peer, mutate('grant', 'bob'));
    expect(await read()).toMatchObject({ owner: 'bob' });
    const beside = [mutate('grant', 'bob'), { op: 'set', path: 'posts/1/owner', value: 'eve' }];
    expect((await transact(peer, beside)).response['reason']).toBe('forbidden_field');
  });

  test('issued tokens without path rules, and code of the server, may write every field', async () => {
    const made = await world();
    const posts = made.server.record(Post);
    await posts.write({ id: '1' }, { set: { title: 'Hi', owner: 'ada' } });
    const { rawToken } = await made.server.tokens.issue({
      org: 'demo',
      name: 'service',
      scopes: ['entries:read', 'entries:write'],
      storeAccess: { mode: 'all' },
      createdBy: null,
      expiresAt: null,
    });
    const { status } = await http(made, 'PUT', 'entries/posts/1/owner', {
      body: 'bob',
      token: rawToken,
    });
    expect(status).toBe(200);
  });

  test('a mutation that is async and rejects fails by itself: the server goes on', async () => {
    const made = await site();
    const [eve, bob] = [
      await made.joined({ token: 'eve', device: 'eve' }),
      await made.joined({ token: 'bob', device: 'bob' }),
    ];
    const { response } = await write(eve, mutate('late'));
    expect(response).toMatchObject({ reason: 'internal_error' });
    expect((await write(bob, mutate('like', { by: 1 }))).status).toBe('ok');
  });

  test('R155 two concurrent merges of one field both count, whichever comes first', async () => {
    const made = await site();
    const [eve, bob] = [
      await made.joined({ token: 'eve', device: 'eve' }),
      await made.joined({ token: 'bob', device: 'bob' }),
    ];
    const merge = (tags: readonly string[]): object =>
      mutate('holdfast:merge', { set: { tags }, unset: ['likes'], base: { tags: ['a'] } });
    const replies = await Promise.all([
      write(eve, merge(['a', 'e'])),
      write(bob, merge(['a', 'b'])),
    ]);
    expect(replies.map(({ status }) => status)).toEqual(['ok', 'ok']);
    const { json } = await http(made, 'GET', 'entries/posts/1');
    expect(json['value']).toMatchObject({ title: 'Hi', owner: 'ada' });
    const { tags } = json['value'] as { tags: string[] };
    expect(tags.toSorted()).toEqual(['a', 'b', 'e']);
    // Nobody came between: what the writer has is what it is then.
    await write(eve, mutate('holdfast:merge', { set: { tags: ['z'] }, base: { tags } }));
    expect((await http(made, 'GET', 'entries/posts/1/tags')).json['value']).toEqual(['z']);
  });
});
