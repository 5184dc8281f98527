import type { Migrate, Receipt, Store } from '@holdfast/client';
import type { Request } from '@holdfast/protocol';
import type { Dice } from '../src/dice.ts';
import { weighed } from '../steps.ts';

export const storeName = 'acme/app';
/** Each keeps its notes in a place of its own, below its number. */
export const versions = [1, 2, 3] as const;
export type Version = (typeof versions)[number];

/** What is written: the same in each version, or in one place after another, or what later versions give up. */
const kinds = {
  note: 8,
  pair: 3,
  guarded: 3,
  total: 3,
  gone: 2,
  broken: 1,
  barred: 2,
} as const;
/** Nobody may write here, as the server says in the end. */
export const barredPath = 'barred';

export type Kind = keyof typeof kinds;
const all = weighed(kinds);

/** Which of them is made. */
export function kindOf(dice: Dice): Kind {
  return dice.pick(all);
}

/** Makes a write as a version of the application does. */
export function make(
  store: Store,
  kind: Kind,
  { version, id, text }: { readonly version: Version; readonly id: number; readonly text: string },
): Receipt {
  const place = `v${version}`;
  if (kind === 'total') return store.increment('total');
  if (kind === 'barred') return store.put(`${barredPath}/${id}`, text);
  if (kind === 'guarded') {
    const { path, revision } = guardOf(store, version, id);
    return store.put(path, text, revision === null ? {} : { ifMatch: revision });
  }
  if (kind !== 'pair') return store.put(`${place}/${kind}/${id}`, text);
  return store.transact((tx) => {
    tx.put(`${place}/pair/${id}/left`, text);
    tx.put(`${place}/pair/${id}/right`, text);
  });
}

/** What a guarded write rests on; null: nothing is there yet. */
export function guardOf(
  store: Store,
  version: Version,
  id: number,
): { readonly path: string; readonly revision: number | null } {
  const path = `v${version}/guarded/${id}`;
  const { revision } = store.entry(path) ?? {};
  return { path, revision: revision === undefined ? null : Math.floor(revision) };
}

/** What a version does with what another has left: it knows those before it. */
export function migrateTo(version: Version): Migrate {
  return (request, from) => {
    if (typeof from !== 'number' || from > version) return null;
    const text = JSON.stringify(request);
    if (text.includes('/broken/')) throw new Error('nobody can migrate this');
    if (text.includes('/gone/')) return null;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same request with other paths
    return JSON.parse(text.replaceAll(`"v${from}/`, `"v${version}/`)) as Request;
  };
}

/** The version that makes such a request; 0: each does. */
export function versionIn(request: Request): number {
  const [, version] = /"v(\d)\//.exec(JSON.stringify(request)) ?? [];
  return Number(version ?? 0);
}

/** Whether what an older version has made has a place in later ones. */
export function canMigrate(request: Request): boolean {
  return !/\/(gone|broken)\//.test(JSON.stringify(request));
}
