import { HoldfastError, isObject, isRefusal, type StoreName } from '@holdfast/protocol';
import {
  readSeed,
  readSeededEnvelope,
  readSeededQueries,
  readSeededStore,
  type SeedState,
} from '@holdfast/protocol/record';
import type { Client } from '../client.ts';
import { roomOf } from '../doors.ts';
import { twins } from '../twins.ts';
import { OpenStore } from '../open-store.ts';
import type { Room } from '../room.ts';
import { Slot } from '../slot.ts';
import type { News } from '../uplink.ts';
import type { RenderedView } from '../views/initial.ts';
import { digestOfJson } from './digest.ts';
import { StoreSeed } from './store-seed.ts';
import { twinOf } from './twin.ts';

/**
 * Has a client begin with what a page was rendered from, as `dehydrate` gave it: records and collections in it are there at
 * once, and stores are joined where they were rendered (records.md §18). Before anything is used, or later. What cannot be
 * used is reported to `onError` and left out; then everything comes from the server.
 */
export function hydrate(client: Client, state: string | object): void {
  const room = roomOf(client);
  const seed = readSeed(state);
  if (isRefusal(seed)) return tell(room, 'it cannot be read');
  if (seed.principal !== room.settings.principal) return tell(room, 'it is of another principal');
  begin(client, room, seed);
  recall(room, seed);
  // What was drawn is drawn from it until hydration ends, whatever has come meanwhile.
  twins.set(
    room,
    twinOf(room, (twin, of) => begin(twin, of, seed)),
  );
}

/** As many as a client has open at once. */
const storesMax = 32;

function begin(client: Client, room: Room, { stores, queries: all }: SeedState): void {
  const { read: queries, bad } = readSeededQueries(all);
  for (let i = 0; i < bad; i++) tell(room, 'a query cannot be read');
  if (stores.length > storesMax) tell(room, 'there are too many stores');
  for (const each of stores.slice(0, storesMax)) {
    const store = readSeededStore(each);
    if (isRefusal(store)) {
      tell(room, 'a store cannot be read');
      continue;
    }
    const { store: name } = store;
    const of = queries.filter((query) => query.store === name);
    try {
      const seed = new StoreSeed(store, of);
      const { opened } = room.slots.get(name) ?? {};
      if (opened instanceof OpenStore) opened.adopt(seed);
      else {
        room.seeds.set(name, seed);
        client.store(name, { scope: [] }).close();
      }
      hearVerdict(room, name);
    } catch {
      // Such as entries that cannot be together in one tree.
      tell(room, 'a store cannot be used');
    }
  }
}

/** Tells if the server does not know the seed for one that it has sealed: it was altered, or made for somebody else. */
function hearVerdict(room: Room, name: StoreName): void {
  const slot = room.slots.get(name);
  if (!(slot instanceof Slot)) return;
  const listen = (news: News): void => {
    if (news.type !== 'joined') return;
    slot.listeners.delete(listen);
    const isForged = isObject(news.response) && news.response['why'] === 'seed';
    if (isForged) tell(room, 'it is not as it was rendered');
  };
  slot.listeners.add(listen);
}

/** What is in no store is there for who asks for it. */
function recall(room: Room, { envelopes, views }: SeedState): void {
  for (const each of envelopes) {
    const envelope = readSeededEnvelope(each);
    if (envelope === null) tell(room, 'an envelope cannot be read');
    else {
      const { key, signature, json } = envelope;
      const proof = signature && `${digestOfJson(json)}.${signature}`;
      room.rendered.envelopes.set(key, { envelope: envelope.envelope, proof });
    }
  }
  for (const each of views) {
    if (isRendered(each)) room.rendered.views.set(each.root, each);
    else tell(room, 'a view cannot be read');
  }
}

function isRendered(view: unknown): view is RenderedView & { readonly root: string } {
  if (!isObject(view) || !isObject(view['initialData'])) return false;
  const { root, params, initialData } = view;
  const ops: unknown = initialData['stream_ops'] ?? [];
  const hasTree = isObject(initialData['tree']) && Array.isArray(ops);
  return typeof root === 'string' && typeof params === 'string' && hasTree;
}

function tell(room: Room, why: string): void {
  room.settings.report(new HoldfastError('invalid_seed', { why }));
}
