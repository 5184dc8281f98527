import { createClient } from '@holdfast/client';
import { passthrough, record } from '@holdfast/protocol';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';

const Note = record({
  name: 'note',
  store: 'acme/app',
  path: 'notes/:id',
  version: '1.0',
  schema: passthrough<{ text: string }>(),
});
const scopes = ['entries:read', 'entries:write'] as const;

test('roles that are entries of a store are seen by rules through a client in the process, and hold from the next look on', async () => {
  const server = createServer({
    storage: memory(),
    authenticate: ({ token }) => ({ subject: token, orgs: ['acme'], scopes }),
  });
  onTestFinished(() => server.close());
  const own = createClient({ ...server.inProcess({ subject: 'roles', orgs: ['acme'], scopes }) });
  onTestFinished(() => own.close());
  const team = own.store('acme/team');
  const roleOf = (user: string | null) =>
    user === null ? undefined : team.get(['members', user, 'role']);
  server.record(Note, {
    read: ({ principal }) => roleOf(principal.subject) !== undefined,
    write: ({ principal }) => roleOf(principal.subject) === 'editor',
  });
  await server.stores.create('acme/app');
  await server.stores.create('acme/team');
  await team.ready;
  const { url } = await server.listen();
  const of = (token: string) => {
    const client = createClient({ url, token });
    onTestFinished(() => client.close());
    return client.store('acme/app');
  };
  const [ann, bob] = [of('ann/x'), of('bob')];
  await Promise.all([ann.ready, bob.ready]);
  await team.put(['members', 'ann/x'], { role: 'editor' }).committed;
  await ann.put('notes/1', { text: 'x' }).committed;
  expect(bob.get('notes/1')).toBeUndefined();
  await team.put(['members', 'bob'], { role: 'viewer' }).committed;
  await expect.poll(() => bob.get('notes/1'), { timeout: 10_000 }).toEqual({ text: 'x' });
  await expect(bob.put('notes/2', { text: 'y' }).committed).rejects.toMatchObject({
    code: 'path_not_allowed',
  });
  await team.delete(['members', 'bob']).committed;
  await expect.poll(() => bob.get('notes/1'), { timeout: 10_000 }).toBeUndefined();
}, 40_000);
