import { app, upload, view } from '@holdfast/server';
import { expect, it } from 'vitest';
import type { Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { world } from '../conversation/world.ts';
import { Root } from './root.ts';

const desk = view({
  name: 'Desk',
  uploads: { note: upload({ accept: 'any', maxEntries: 9 }) },
  render: (_s, h) => ({ note: h.upload('note') }),
});
const desks = {
  app: app({ views: [desk] }),
  authenticate: principals({}),
  viewLimits: { open_upload_bytes: 10 },
};

/** Comes to a desk, anew or back; the token to come back with. */
async function come(
  peer: Peer,
  id: string,
  instance: string | null = null,
): Promise<[Root, string]> {
  const root = new Root(peer, 'Desk', id);
  const resume = { instance, version: 0 };
  const { response } = await root.join({ module: 'Desk', id, capver: 4, resume });
  return [root, String(response['instance'])];
}

/** Asks for room for files; the refs of those that are let in, and the codes of the others. */
async function ask(root: Root, ...sizes: readonly number[]): Promise<[string[], string[]]> {
  const entries = sizes.map((size, at) => ({ client_ref: `${at}`, name: 'a.txt', size, type: '' }));
  const { response } = await root.ask('allow_upload', { name: 'note', entries });
  const granted = response['entries'] as { [ref: string]: { readonly entry_ref: string } };
  const errors = response['errors'] as { readonly error: { readonly code: string } }[];
  return [
    Object.values(granted).map(({ entry_ref: ref }) => ref),
    errors.map(({ error }) => error.code),
  ];
}

it('a connection has no more bytes open than it may (views.md §15)', async () => {
  const { connect } = await world(desks);
  const [root] = await come(await connect(), 'a');
  expect((await ask(root, 8))[1]).toEqual([]);
  expect((await ask(root, 3))[1]).toEqual(['preflight_rejected']);
  expect((await ask(root, 2))[1]).toEqual([]);
});

it('files that are asked for at once have no more room together than one after the other (views.md §15)', async () => {
  const { connect } = await world(desks);
  const [root] = await come(await connect(), 'a');
  const [[ref], refused] = await ask(root, 8, 8);
  expect(refused).toEqual(['preflight_rejected']);
  await root.ask('cancel_upload', { name: 'note', ref });
  expect((await ask(root, 8))[1]).toEqual([]);
});

it('given a client that comes back by another connection, its open files take the room of that one (views.md §15)', async () => {
  const { connect } = await world(desks);
  const first = await connect();
  const [, token] = await come(first, 'a');
  const [elsewhere] = await come(first, 'b');
  const second = await connect();
  const [root] = await come(second, 'a', token);
  const [[ref]] = await ask(root, 8);
  const third = await connect();
  const [back] = await come(third, 'a', token);
  expect((await ask(back, 3))[1]).toEqual(['preflight_rejected']);
  const [other] = await come(third, 'c');
  expect((await ask(other, 3))[1]).toEqual(['preflight_rejected']);
  expect((await ask(elsewhere, 10))[1]).toEqual([]);
  await back.ask('cancel_upload', { name: 'note', ref });
  expect((await ask(other, 10))[1]).toEqual([]);
  expect((await ask(back, 1))[1]).toEqual(['preflight_rejected']);
});

it('given a client that comes back by another connection, the one before has its room again for what else it shows (views.md §15)', async () => {
  const { connect } = await world(desks);
  const first = await connect();
  const [root, token] = await come(first, 'a');
  const [rest] = await come(first, 'b');
  await ask(root, 8);
  await ask(rest, 2);
  await come(await connect(), 'a', token);
  expect((await ask(rest, 9))[1]).toEqual(['preflight_rejected']);
  expect((await ask(rest, 8))[1]).toEqual([]);
});
