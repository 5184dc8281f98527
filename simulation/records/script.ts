import type { Client, Store } from '@holdfast/client';
import type { RecordHandle } from '@holdfast/client/records';
import type { Json } from '@holdfast/protocol';
import { asStoreName } from '@holdfast/protocol';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import type { Item } from './item.ts';

/** The store of these worlds, the records in it, and how long things go wrong. */
export const store = 'acme/app';
export const ids = ['a', 'b', 'c', 'd', 'e'] as const;
export const lengthMs = 15_000;
/** How long at most there is no server while the store is made anew. */
const downMs = 2000;

/** What somebody does, and when. */
export type Step = {
  readonly at: number;
  readonly who: number;
  readonly id: (typeof ids)[number];
  readonly does:
    | 'set'
    | 'patch'
    | 'increment'
    | 'remove'
    | 'mutate'
    | 'transact'
    | 'together'
    | 'recreate';
  readonly n: number;
};

/** Has a step done; tells how it can be known what became of it. */
export function writeOf(
  client: Client,
  handle: RecordHandle<typeof Item>,
  { does, n, id }: Step,
): { readonly opId: string; readonly committed: Promise<unknown> } {
  switch (does) {
    case 'set':
      return handle.set({ n, owner: id });
    case 'patch':
      return handle.patch(n % 2 === 0 ? { tag: `t${n}` } : { tag: undefined, n });
    case 'increment':
      return handle.increment('n', n);
    case 'remove':
      return handle.remove();
    case 'mutate':
      return handle.mutate('double', null);
    case 'transact':
    case 'together':
    case 'recreate': {
      const other = client.record(handle.ref.record, { id: ids[n % ids.length] ?? 'a' });
      const { group, committed } = client.transact((tx) => {
        for (const each of [handle, other]) {
          if (does === 'together') tx.record(each).increment('n', n);
          else tx.record(each).set({ n: each === handle ? n : n + 1, owner: 'both' });
        }
      });
      return { opId: group, committed };
    }
  }
}

/** What everybody does; where it ends anew, the store is made anew behind all of it. */
export function stepsOf(dice: Dice, endsAnew: boolean): readonly Step[] {
  const count = 60 + dice.below(60);
  const kinds = [
    'set',
    'set',
    'patch',
    'increment',
    'increment',
    'remove',
    'mutate',
    'transact',
    'together',
  ] as const;
  const steps = Array.from({ length: count }, (): Step => ({
    at: dice.below(lengthMs),
    who: dice.below(3),
    id: dice.pick(ids),
    does: dice.pick(kinds),
    n: dice.below(20),
  }));
  const anew: Step = {
    at: dice.below(lengthMs),
    who: 0,
    id: 'a',
    does: 'recreate',
    n: dice.below(20),
  };
  if (endsAnew) {
    const at = lengthMs - downMs;
    return [...steps.filter((step) => step.at < at), { ...anew, at }].toSorted(byTime);
  }
  return (dice.chance(0.3) ? [...steps, anew] : steps).toSorted(byTime);
}

function byTime(a: Step, b: Step): number {
  return a.at - b.at;
}

/** What a store of a client shows, by id. */
export function itemsIn(shown: Store): ReadonlyMap<string, Item> {
  return new Map(
    ids.flatMap((id) => {
      const item = shown.get(`items/${id}`) as Item | undefined;
      return item === undefined ? [] : [[id, item] as const];
    }),
  );
}

/** What is stored, by id. */
export async function itemsStored(world: World): Promise<ReadonlyMap<string, Item>> {
  const row = await world.storage.stores.find(asStoreName(store));
  const items = new Map<string, { [field: string]: Json }>();
  for await (const { entries } of world.storage.load(row?.id ?? '')) {
    for (const { path, value } of entries) {
      const [top, id = '', field = ''] = path.split('/');
      if (top !== 'items') continue;
      const item = items.get(id) ?? {};
      items.set(id, item);
      item[field] = value;
    }
  }
  return items as unknown as ReadonlyMap<string, Item>;
}
