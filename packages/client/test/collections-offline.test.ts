import { createClient, type Client } from '@holdfast/client';
import { RecordConflictError, records } from '@holdfast/client/records';
import { collection, type Json, record } from '@holdfast/protocol';
import { createServer, type Server } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { person } from './ssr-world.ts';
import { Tap } from './tap.ts';

const shape = z.object({
  title: z.string(),
  done: z.boolean(),
  tags: z.array(z.string()).optional(),
  secret: z.string().optional(),
});
const spec = { store: 'acme/app', version: '1.0', schema: shape } as const;
const merged = (mine: Json, theirs: Json): Json => [mine, theirs].flat();

const Task = record({
  ...spec,
  name: 'task',
  path: 'tasks/:id',
  visibility: { '*': () => true, secret: () => false },
});
const Tagged = record({
  ...spec,
  name: 'tagged',
  path: 'tagged/:id',
  authority: { title: 'lww', done: 'lww', tags: merged as never },
});
const Guarded = record({
  ...spec,
  name: 'guarded',
  path: 'guarded/:id',
  conflict: 'detect',
  authority: { title: 'lww', done: 'lww' },
});

const Plain = record({ ...spec, name: 'plain', path: 'plain/:id' });

let server: Server;
let client: Client;
/** Has the server take an object of a record, whoever is connected. */
let place: (def: unknown, title: string, done: boolean) => Promise<unknown>;
let tap: Tap;

beforeEach(async () => {
  server = createServer({ storage: memory(), rates: false });
  const defs = [Task, Tagged, Guarded, Plain] as const;
  const desks = new Map(defs.map((def) => [def, server.record(def as typeof Task)] as const));
  place = (def, title, done) =>
    desks.get(def as typeof Plain)?.write({ id: title }, { set: { title, done } }) ??
    Promise.reject();
  await server.stores.create(spec.store);
  for (const def of defs) {
    for (const title of ['A', 'C']) {
      // oxlint-disable-next-line no-await-in-loop -- in this order
      await place(def, title, false);
    }
  }
  const at = server.inProcess(person('ada'));
  tap = new Tap(at.link);
  client = createClient({ ...at, link: tap, records: records(defs) });
});

afterEach(async () => {
  await client.close();
  await server.close({ retryAfterMs: 0 });
});

/** Made once more, where it has met what others had made. */
const insisted = (committed: Promise<unknown>): Promise<unknown> =>
  committed.catch((error: unknown) => {
    if (error instanceof RecordConflictError) return error.resolve('mine')?.committed;
    throw error;
  });

test.each([
  ['of which fields are hidden', Task],
  ['of which fields are merged', Tagged],
  ['that detects conflicts', Guarded],
] as const)(
  'R199 an object of a record %s that is made without a connection is a row at once, at its place, and stays one',
  async (_what, def) => {
    const task = def as typeof Task;
    const list = client.collection(collection(task, { where: { done: false }, orderBy: 'title' }));
    list.retain();
    await list.ready();
    const shown: string[] = [];
    list.subscribe(() =>
      shown.push(
        list
          .get()
          .map(({ title }) => title)
          .join(''),
      ),
    );
    tap.hold();
    await place(def, 'E', true);
    const made = client.record(task, { id: 'B' }).set({ title: 'B', done: false, tags: ['x'] });
    const other = client.record(task, { id: 'D' }).set({ title: 'D', done: true });
    // Of what others have made meanwhile nothing is known.
    const patched = client.record(task, { id: 'E' }).patch({ title: 'E', done: false });
    await tap.quiet();
    expect(list.get().map(({ title }) => title)).toEqual(['A', 'B', 'C']);
    expect(list.state.get().rows.map(({ pending }) => pending)).toEqual([0, 1, 0]);
    tap.letGo();
    await Promise.all([made.committed, other.committed, insisted(patched.committed)]);
    const pending = (): readonly number[] => list.state.get().rows.map((row) => row.pending);
    await expect.poll(pending).toEqual([0, 0, 0, 0]);
    expect([...new Set(shown)]).toEqual(['ABC', 'ABCE']);
  },
);

test.each([
  ['of which all fields are its clients’', Plain],
  ['that detects conflicts', Guarded],
] as const)(
  'R199 a transaction makes rows of objects of a record %s where it sets them, and none of those that were never seen where it patches them',
  async (_what, def) => {
    const task = def as unknown as typeof Task;
    const list = client.collection(collection(task, { where: { done: false }, orderBy: 'title' }));
    list.retain();
    await list.ready();
    const titles = (): readonly string[] => list.get().map(({ title }) => title);
    tap.hold();
    await place(def, 'E', true);
    const { committed } = client.transact((tx) => {
      tx.record(task.ref({ id: 'B' })).set({ title: 'B', done: false });
      tx.record(task.ref({ id: 'C' })).patch({ title: 'C2' });
      tx.record(task.ref({ id: 'E' })).patch({ title: 'E', done: false });
    });
    await tap.quiet();
    expect(titles()).toEqual(['A', 'B', 'C2']);
    tap.letGo();
    await insisted(committed);
    await expect.poll(titles).toEqual(['A', 'B', 'C2', 'E']);
  },
);
