import type { EpochMs } from '../brand.ts';
import { isObject, type JsonObject } from '../json.ts';
import { isRefusal, type Refusal, refuse } from '../refusals.ts';
import { invalidField, isCount, isString, isText, orNull, readShape } from '../shape.ts';
import { utf8Length } from '../utf8.ts';

/** What bounds presence (stores.md §10.8.5); times are milliseconds. */
export const presenceLimits = {
  state_bytes: 4096,
  state_depth: 32,
  peer_bytes: 128,
  metas: 1000,
  /** Tabs of one user that one channel may show beside its own. */
  guests: 100,
  /** The least time between two changes of one channel's state: 20 in a second. */
  track_ms: 50,
  /** For so long changes are collected before they are told. */
  collect_ms: 50,
  /** For so long somebody stays whose socket was lost. */
  grace_ms: 5000,
} as const;

/** One tab or process that is there (stores.md §10.8.2). */
export type PresenceMeta = {
  /** Names this state of it; every change draws a new one. */
  readonly phx_ref: string;
  /** In a diff: the state that this one replaces. */
  readonly phx_ref_prev?: string;
  readonly device_id: string;
  /** Its own name for itself. */
  readonly peer: string;
  readonly online_at: EpochMs;
  readonly state: JsonObject;
};

/** Who is there, by the subject of their tokens; the payload of `presence_state`. */
export type PresenceList = { readonly [key: string]: { readonly metas: readonly PresenceMeta[] } };

/** The payload of `presence_diff`. */
export type PresenceDiff = { readonly joins: PresenceList; readonly leaves: PresenceList };

/** The payload of a join of a presence topic: who comes only to look gives no state. */
export type PresenceJoin = { readonly peer: string | null; readonly state: JsonObject | null };

/** The reply to such a join: how others will see this peer. */
export type PresenceJoinReply = { readonly key: string; readonly peer: string };

/** The parts of `presence:<store>:<topic>`, unchecked; null: it is no such topic. */
export function splitPresenceTopic(
  topic: string,
): { readonly store: string; readonly room: string } | null {
  const [kind, store, ...room] = topic.split(':');
  if (kind !== 'presence' || store === undefined || room.length === 0) return null;
  return { store, room: room.join(':') };
}

/** Reads the payload of a join (stores.md §10.8.1). */
export function readPresenceJoin(payload: unknown): PresenceJoin | Refusal {
  if (!isObject(payload)) return invalidField('payload');
  const { peer = null, state = null } = payload;
  if (!isPeer(peer)) return invalidField('peer');
  if (state === null) return { peer, state };
  const read = readState(state);
  return isRefusal(read) ? read : { peer, state: read };
}

/** Reads of whom a push on a channel is: one of the tabs that it speaks for; null: its own. */
export function readPresencePeer(payload: unknown): string | null | Refusal {
  const { peer = null } = isObject(payload) ? payload : {};
  return isPeer(peer) ? peer : invalidField('peer');
}

function isPeer(peer: unknown): peer is string | null {
  return peer === null || (peer !== '' && isText(peer, presenceLimits.peer_bytes));
}

/** Reads the payload of `presence_track`. */
export function readPresenceTrack(payload: unknown): JsonObject | Refusal {
  return isObject(payload) ? readState(payload['state']) : invalidField('payload');
}

function readState(state: unknown): JsonObject | Refusal {
  if (!isPlainState(state)) return invalidField('state');
  const limit = presenceLimits.state_bytes;
  return utf8Length(JSON.stringify(state)) > limit ? refuse('value_too_large', { limit }) : state;
}

function isPlainState(value: unknown): value is JsonObject {
  return isObject(value) && isPlain(value, presenceLimits.state_depth);
}

function isPlain(value: unknown, depth: number): boolean {
  if (value === null || typeof value === 'boolean' || Number.isFinite(value)) return true;
  if (typeof value === 'string') return utf8Length(value) !== -1;
  if (typeof value !== 'object' || depth === 0) return false;
  const members: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  return members.every((member) => isPlain(member, depth - 1));
}

/** Reads the reply to a join; a server that says nothing leaves both unknown. */
export function readPresenceJoinReply(payload: unknown): PresenceJoinReply | Refusal {
  return readShape<PresenceJoinReply>(payload, { key: isString, peer: isString });
}

/** Reads the payload of `presence_state`; metas that cannot be read are left out. */
export function readPresenceList(payload: unknown): ReadonlyMap<string, readonly PresenceMeta[]> {
  const list = new Map<string, readonly PresenceMeta[]>();
  for (const [key, presence] of Object.entries(isObject(payload) ? payload : {})) {
    const metas: unknown = isObject(presence) ? presence['metas'] : null;
    if (Array.isArray(metas)) list.set(key, metas.flatMap(readMeta));
  }
  return list;
}

function readMeta(meta: unknown): PresenceMeta[] {
  const read = readShape<Omit<PresenceMeta, 'phx_ref_prev'>>(meta, {
    phx_ref: isString,
    device_id: isString,
    peer: isString,
    online_at: isCount,
    state: isPlainState,
  });
  if (isRefusal(read)) return [];
  const former = isObject(meta) ? (meta['phx_ref_prev'] ?? null) : null;
  if (!orNull(isString)(former)) return [];
  return [former === null ? read : { ...read, phx_ref_prev: former }];
}
