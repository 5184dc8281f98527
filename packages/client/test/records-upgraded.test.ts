import { keptIn } from '@holdfast/client/cache';
import { memoryLink } from '@holdfast/client/link/memory';
import { records } from '@holdfast/client/records';
import { collection, passthrough, record } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { Disk, MapRows } from './cache/map-rows.ts';
import { openWorld } from './world.ts';

const at = { name: 'note', store: 'acme/app', path: 'notes/:id' } as const;
const Old = record({
  ...at,
  version: '1.0',
  schema: passthrough<{ readonly text: string }>(),
});
const New = record({
  ...at,
  version: '2.0',
  schema: passthrough<{ readonly body: string; readonly pinned: boolean; readonly n?: number }>(),
  migrate: {
    '1': ({ text, ...rest }: { readonly text?: string }) => ({
      pinned: false,
      ...rest,
      ...(text !== undefined && { body: text }),
    }),
  },
  mutations: {
    shout: { apply: (note) => note && { ...note, body: note.body.toUpperCase() } },
  },
});

/** Pages of one device that one after the other are given the same cache; without `isOnline` nobody answers. */
async function device() {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  world.server.record(Old);
  const disk = new Disk();
  const page = (definition: typeof Old | typeof New, isOnline = false) =>
    world.client({
      deviceId: 'd',
      cache: keptIn(new MapRows(disk)),
      records: records([definition]),
      ...(!isOnline && { link: memoryLink(() => null) }),
    });
  return { page };
}

/** A note that the server has, one that was edited and one that was made under the older major while nobody answered. */
async function queued() {
  const { page } = await device();
  const online = page(Old, true);
  online.store('acme/app');
  await online.record(Old, { id: 'kept' }).set({ text: 'kept' }).committed;
  await online.record(Old, { id: 'edited' }).set({ text: 'before' }).committed;
  await online.flush();
  await online.close();
  const offline = page(Old);
  const edited = offline.record(Old, { id: 'edited' });
  edited.retain();
  await edited.ready();
  await edited.patch({ text: 'edited' }).durable;
  await offline.record(Old, { id: 'made' }).set({ text: 'made' }).durable;
  await offline.close();
  return page(New);
}

test('what waits since before an upgrade is shown on what the upgrade makes of the object, while nobody answers', async () => {
  const client = await queued();
  const notes = ['kept', 'edited', 'made'].map((id) => client.record(New, { id }));
  for (const note of notes) note.retain();
  await Promise.all(notes.map((note) => note.ready()));
  expect(notes.map((note) => note.get())).toEqual([
    { body: 'kept', pinned: false },
    { body: 'edited', pinned: false },
    { body: 'made', pinned: false },
  ]);
});

test('what is written after an upgrade is composed and shown in the form of now, while nobody answers', async () => {
  const client = await queued();
  const [kept, edited] = ['kept', 'edited'].map((id) => client.record(New, { id }));
  if (kept === undefined || edited === undefined) throw new Error('two');
  for (const note of [kept, edited]) note.retain();
  await Promise.all([kept.ready(), edited.ready()]);
  kept.patch({ pinned: true });
  edited.mutate('shout');
  kept.increment('n', 2);
  expect([kept.get(), edited.get()]).toEqual([
    { body: 'kept', pinned: true, n: 2 },
    { body: 'EDITED', pinned: false },
  ]);
});

test('rows found here after an upgrade are found and shown in the form of now, with what waits', async () => {
  const client = await queued();
  client.store('acme/app');
  const spec = { where: { pinned: false }, orderBy: [['body', 'asc'] as const] };
  const open = client.collection(collection(New, spec));
  open.retain();
  await open.ready();
  expect(open.get().map(({ body }) => body)).toEqual(['edited', 'kept', 'made']);
  client.record(New, { id: 'made' }).patch({ body: 'a first', pinned: false });
  expect(open.get().map(({ body }) => body)).toEqual(['a first', 'edited', 'kept']);
});
