import { beforeAll, expect, it } from 'vitest';
import { modulesOfDoors, unnamedTypes } from './names-of-types.ts';

const app = `import { app, holdfast, loader, stream, upload, view } from '@holdfast/server';
import { z } from 'zod';
export const { view: declare } = holdfast<{ principal: { id: string }; stores: { 'a/b': { n: number } } }>();
export const log = stream<{ id: string }>({ limit: 9 });
export const cover = upload({ accept: 'any' });
export const weather = loader((_ctx, city: string) => Promise.resolve({ city }));
export const card = view({
  name: 'Card',
  params: z.object({ title: z.string() }),
  render: (_state, _h, ctx) => ({ title: ctx.params.title }),
  commands: { toggle: { run: (ctx) => ctx.update(() => undefined) } },
});
export const board = declare({
  name: 'Board',
  streams: { log },
  uploads: { cover },
  async: { weather },
  events: { toast: z.object({ text: z.string() }) },
  mount: (ctx) => ({ who: ctx.principal.id }),
  render: (state, h) => ({
    ...state,
    cards: [h.child(card, 'a', { title: 'A' })],
    log: h.stream('log'),
    cover: h.upload('cover'),
    weather: h.async('weather'),
  }),
});
export const boards = app({ views: [board] });
`;
const client = `import { createClient } from '@holdfast/client';
import { indexedDB } from '@holdfast/client/cache/indexeddb';
import { presences } from '@holdfast/client/presence';
import { records } from '@holdfast/client/records';
import { entriesSignal, entrySignal } from '@holdfast/client/signals';
import { tabs } from '@holdfast/client/tabs';
import { child, views, waitFor } from '@holdfast/client/views';
import { collection, presence, record } from '@holdfast/protocol';
import { createHoldfast, useCollection, useEntry, useRecord } from '@holdfast/react';
import { z } from 'zod';
import type { boards } from './app.ts';
export const User = record({
  name: 'user',
  store: 'a/b',
  path: 'users/:id',
  version: '1.0',
  schema: z.object({ name: z.string() }),
  mutations: { rename: { input: z.object({ to: z.string() }), apply: (user) => user } },
});
export const users = collection(User, { orderBy: 'name' });
export const Cursors = presence({ name: 'c', store: 'a/b', topic: 'c/:id', schema: z.object({ x: z.number() }) });
export const options = {
  url: 'ws://localhost',
  token: null,
  cache: indexedDB('a'),
  tabs: tabs({ name: 'a' }),
  records: records([User]),
  presences: presences(),
  views: views(),
};
export const client = createClient<typeof boards>(options);
export const store = client.store('a/b');
export const shown = [entrySignal(store, 'n'), entriesSignal(store, '*')];
export const user = client.record(User, { id: '1' });
export const list = client.collection(users);
export const room = client.presence(Cursors, { id: '1' });
export const mounted = client.view('Board');
export const board = async () => waitFor(await mounted.ready, ({ cards }) => cards.length > 0);
export const add = async () =>
  (await mounted.ready).cards[0]?.$dispatch('toggle', {}, { optimistic: (draft) => draft });
export const made = child('a', { title: 'A' });
export const { useView, useSnapshot } = createHoldfast<typeof boards>();
export const useBoard = () => useView('Board');
export const useBoards = () => [useEntry('n'), useRecord(User, { id: '1' }), useCollection(users)];
`;

const culprit = `import { records } from '@holdfast/client/records';
export const mine = records([]).open;
`;

let unnamed: readonly string[] = [];
const isCulprit = (line: string): boolean => line.includes('culprit.ts');

beforeAll(async () => {
  // One run of the compiler for both.
  const own = { 'app.ts': app, 'client.ts': client, 'culprit.ts': culprit };
  unnamed = unnamedTypes({ ...(await modulesOfDoors()), ...own });
});

it('a library exports what it makes of the packages, and each inferred type has a name for its declarations', () => {
  expect(unnamed.filter((line) => !isCulprit(line))).toEqual([]);
});

it('a type that no door tells is found', () => {
  expect(unnamed.filter(isCulprit).join()).toContain("'RecordDesk'");
});
