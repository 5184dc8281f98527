import { entryTuple, type Json, type StoreName } from '@holdfast/protocol';
import {
  encodeExact,
  escapedJson,
  type SeededQuery,
  type SeededStore,
  type SeedState,
} from '@holdfast/protocol/record';
import type { Mirror } from '@holdfast/engine/mirror';
import type { NodeId, StreamOp } from '@holdfast/protocol/views';
import type { Client } from '../client.ts';
import { roomOf } from '../doors.ts';
import { OpenStore } from '../open-store.ts';
import type { Room } from '../room.ts';
import type { InitialView, RenderedView } from '../views/initial.ts';
import { assertOfRequest } from './of-request.ts';
import { digestOf, digestOfJson } from './digest.ts';

/**
 * What a client has, for the page that was rendered from it: JSON that is safe within
 * `<script type="application/json">`, whatever values are in it (records.md §18). It holds what the principal of the client
 * may read, and nothing of its outbox; the server vouches for it where the client's link is `server.inProcess`.
 */
export function dehydrate(client: Client): string {
  const room = roomOf(client);
  assertOfRequest(room);
  const parts = [...room.slots].flatMap(([name, { opened }]) =>
    opened instanceof OpenStore ? partsOf(room, name, opened) : [],
  );
  const state: SeedState = {
    v: 1,
    principal: room.settings.principal,
    stores: parts.map(({ store }) => store),
    queries: parts.flatMap(({ queries }) => queries),
    envelopes: Array.from(room.rendered.envelopes, ([key, { envelope }]) =>
      seeded(room, key, envelope),
    ),
    views: [...room.rendered.views].flatMap(([root, view]) => viewOf(root, view)),
  };
  return escapedJson(state);
}

function seeded({ settings: { link } }: Room, key: string, value: unknown): object {
  const envelope = encodeExact(value);
  const signature = link.vouch?.(key, digestOfJson(envelope)) ?? null;
  return { key, envelope, signature };
}

/** A root as it is shown; none where there is nothing to show. */
function viewOf(root: string, { params, initialData, mirror }: RenderedView): readonly object[] {
  const shown = mirror?.tree === undefined ? initialData : initialOf(mirror.tree, mirror.slots);
  return shown === undefined ? [] : [{ root, params, initialData: shown }];
}

/** What makes another mount show the same: uploads are nobody else's. */
function initialOf(tree: Json, slots: Mirror['slots']): InitialView {
  const ops: StreamOp[] = [];
  for (const [slot, { node, shown, keys }] of slots) {
    const items = Array.isArray(shown) ? shown : [];
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the key of a node is its id
    const id = JSON.parse(node) as NodeId;
    const at = { stream: slot.slice(`${node}stream `.length), store_id: id, ref: '0' };
    for (const [index, key] of (keys ?? []).entries()) {
      const item = items[index] ?? null;
      ops.push({ ...at, op: 'insert', item_key: key, at: -1, item, limit: null });
    }
  }
  return { tree, stream_ops: ops };
}

type Parts = { readonly store: SeededStore; readonly queries: readonly SeededQuery[] };

/** A store as a cache would keep it; none where nothing is known of it. */
function partsOf(room: Room, store: StoreName, { replica }: OpenStore): readonly Parts[] {
  const image = replica?.image();
  if (image === undefined || image.incarnation === null || image.scope === null) return [];
  const { seq, incarnation, scope, patterns } = image;
  const entries = Array.from(image.entries, entryTuple);
  const maps = [...image.maps];
  const queries = (image.queries ?? []).map(({ key, rows, hasMore, endCursor }): SeededQuery => ({
    store,
    key,
    rows,
    has_more: hasMore,
    end_cursor: endCursor,
  }));
  const digest = digestOf({ entries, maps, queries });
  const claim = { store, incarnation, seq, scope, patterns };
  const paths = entries.map(([path]) => path);
  const content = { paths, windows: queries.map(({ rows }) => rows) };
  const proof = room.settings.link.seal?.({ ...claim, digest }, content) ?? null;
  const signature = proof && proof.slice(proof.indexOf('.') + 1);
  return [{ store: { ...claim, entries, maps, signature }, queries }];
}
