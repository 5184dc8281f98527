import { type ClientOptions, memoryCache } from '@holdfast/client';
import {
  type CollectionDef,
  type CollectionHandle,
  type RecordDef,
  records,
} from '@holdfast/client/records';
import { collection, passthrough, record } from '@holdfast/protocol';
import type { World } from '../world.ts';
import { Profile, type Tab } from './profile.ts';

type Task = { readonly title: string; readonly done: boolean; readonly rank: number };

const of = { version: '1', schema: passthrough<Task>() };

export const Task = record({ name: 'task', store: 'acme/app', path: 'tasks/:id', ...of });

/** Of which the server has not heard. */
export const Unheard = record({ name: 'unheard', store: 'acme/app', path: 'others/:id', ...of });

/** The same in whichever store. */
export const Anywhere = record({
  name: 'anywhere',
  store: 'acme/:place',
  path: 'tasks/:id',
  ...of,
});

export const ranked = (limit: number) => collection(Task, { orderBy: 'rank', limit });

export type Shown = CollectionHandle<typeof Task>;

export const titles = (...handles: readonly Shown[]): readonly string[] =>
  handles.map((handle) =>
    handle
      .get()
      .map(({ title }) => title)
      .join(' '),
  );

export const ranks = (from: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, n) => from + n);

/** A server that knows the record, some tasks, and three tabs of which none has a part of the store; the first leads. */
export async function setting(world: World, scopes: readonly (readonly string[])[] = [[], [], []]) {
  world.server.record(Task);
  const writer = await world.store();
  await writer.transact((tx) => {
    for (let n = 0; n < 6; n++) tx.put(`tasks/t${n}`, { title: `T${n}`, done: n > 3, rank: n });
  }).committed;
  const profile = new Profile(world);
  const all: Tab[] = [];
  for (const scope of scopes) {
    // One after the other; what the cache has of the whole store is not the other's.
    const own = scope.length > 0 ? { cache: memoryCache() } : {};
    // oxlint-disable-next-line no-await-in-loop -- as above
    all.push(await sit(profile, scope, own));
  }
  return { writer, profile, all };
}

export async function sit(
  profile: Profile,
  scope: readonly string[],
  options: Partial<ClientOptions> = {},
): Promise<Tab> {
  const tab = profile.sit({ records: records([Task, Unheard, Anywhere]), ...options }, { scope });
  await tab.store.ready;
  return tab;
}

export function shownOf<R extends RecordDef>(
  { client }: Tab,
  def: CollectionDef<R>,
): CollectionHandle<R> {
  const handle = client.collection(def);
  handle.retain();
  return handle;
}

export async function shown(tab: Tab, def: ReturnType<typeof ranked>): Promise<Shown> {
  const handle = shownOf(tab, def);
  await handle.ready();
  return handle;
}
