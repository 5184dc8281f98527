import { passthrough, record } from '@holdfast/protocol';
import { app, createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { world } from '../conversation/world.ts';
import { write } from './site.ts';

const place = { store: 'demo/main', path: 'users/:id', version: '1.0' } as const;
const User = record({ ...place, name: 'user', schema: z.object({ name: z.string() }) });

test('the records of an app are gated without more; what the server adds to one is added once', async () => {
  const { joined, server } = await world({ app: app({ records: [User] }) });
  server.record(User, { write: (_ctx, ref) => ref.params['id'] !== 'root' });
  expect(() => server.record(User)).toThrow(TypeError);
  const peer = await joined();
  const bad = await write(peer, { op: 'set', path: 'users/1', value: { name: 7 } });
  expect(bad).toMatchObject({ status: 'error', response: { reason: 'invalid_value' } });
  const good = await write(peer, { op: 'set', path: 'users/1', value: { name: 'ada' } });
  expect(good.status).toBe('ok');
  const ruled = await write(peer, { op: 'set', path: 'users/root', value: { name: 'ada' } });
  expect(ruled).toMatchObject({ status: 'error', response: { reason: 'path_not_allowed' } });
});

test('an app whose records share a place is refused before anything is opened', () => {
  const Twin = record({ ...place, name: 'twin', schema: passthrough<object>() });
  const options = { storage: memory(), app: app({ records: [User, Twin] }) };
  expect(() => createServer(options)).toThrow(TypeError);
});
