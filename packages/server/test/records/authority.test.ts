import { record } from '@holdfast/protocol';
import type { RecordOptions } from '@holdfast/server';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { principals } from '../conversation/principals.ts';
import { world } from '../conversation/world.ts';
import { person, write } from './site.ts';

const Post = record({
  name: 'post',
  store: 'demo/main',
  path: 'posts/:id',
  version: '1.0',
  schema: z.object({ title: z.string(), tags: z.array(z.string()), owner: z.string() }),
  authority: {
    title: 'lww',
    tags: (mine, theirs) => [...new Set([...theirs, ...mine])],
    owner: 'server',
  },
  mutations: {
    claim: { apply: (post, input) => post && { ...post, title: 'claimed', owner: String(input) } },
  },
});

const ada = { title: 'Hi', tags: ['a'], owner: 'ada' };

/** A server with a post, which a client may write too. */
async function site(options: RecordOptions<typeof Post> = {}) {
  const { server, joined } = await world({ authenticate: principals({ eve: person('eve') }) });
  const posts = server.record(Post, options);
  await posts.write({ id: '1' }, { set: ada });
  return { posts, eve: await joined({ token: 'eve' }) };
}

test('R125 a mutation of the server wins over the one of its name that is shared, and may change any field', async () => {
  const { posts, eve } = await site({
    mutations: {
      claim: { apply: (post, input) => ({ ...post, title: 'ruled', owner: String(input) }) },
    },
  });
  const claim = { op: 'mutate', path: 'posts/1', record: 'post', name: 'claim', value: 'eve' };
  expect((await write(eve, claim)).status).toBe('ok');
  expect((await posts.get({ id: '1' })).value).toEqual({ ...ada, title: 'ruled', owner: 'eve' });
});

test('R154 of a mutation that is shared, code of the server makes all that it says, a client no field of the server', async () => {
  const { posts, eve } = await site();
  const claim = { op: 'mutate', path: 'posts/1', record: 'post', name: 'claim', value: 'eve' };
  expect((await write(eve, claim)).status).toBe('ok');
  expect((await posts.get({ id: '1' })).value).toEqual({ ...ada, title: 'claimed' });
  const { value } = await posts.write({ id: '1' }, { mutate: 'claim', input: 'bob' });
  expect(value).toEqual({ ...ada, title: 'claimed', owner: 'bob' });
});

test('R155 what code of the server sends as a merge is merged too', async () => {
  const { posts } = await site();
  const input = { set: { tags: ['mine'] }, unset: [], base: { tags: [] } };
  const { value } = await posts.write({ id: '1' }, { mutate: 'holdfast:merge', input });
  expect(value).toEqual({ ...ada, tags: ['a', 'mine'] });
});

test('R154 a client removes an object whole, whatever fields of the server it has', async () => {
  const { posts, eve } = await site();
  expect((await write(eve, { op: 'delete', path: 'posts/1' })).status).toBe('ok');
  expect((await posts.get({ id: '1' })).value).toBeNull();
});
