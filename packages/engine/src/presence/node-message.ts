import { isObject, isRefusal } from '@holdfast/protocol';
import { readPresenceTrack } from '@holdfast/protocol/presence';
import type { NodeMessage, Presence } from './types.ts';

/** Reads what another node said; null where it cannot be read: then it is as if it was lost. */
export function readNodeMessage(decoded: unknown): NodeMessage | null {
  if (!isObject(decoded)) return null;
  const { type, node, n } = decoded;
  if (typeof node !== 'string') return null;
  switch (type) {
    case 'bye':
      return { type, node };
    case 'ask':
      return readAsk(node, decoded['of']);
    case 'beat':
      return isNumber(n) ? { type, node, n } : null;
    case 'diff':
      return isNumber(n) ? readDiff({ node, n }, decoded) : null;
    case 'set':
      return isNumber(n) ? readSet({ node, n }, decoded) : null;
    default:
      return null;
  }
}

type From = { readonly node: string; readonly n: number };
type Fields = { readonly [field: string]: unknown };

function readAsk(node: string, of: unknown): NodeMessage | null {
  return of === null || typeof of === 'string' ? { type: 'ask', node, of } : null;
}

function readDiff({ node, n }: From, { joins, leaves }: Fields): NodeMessage | null {
  const read = readPresences(joins);
  if (read === null || !Array.isArray(leaves)) return null;
  const left = leaves.filter((ref) => typeof ref === 'string');
  return { type: 'diff', node, n, joins: read, leaves: left };
}

function readSet({ node, n }: From, { part, parts, presences }: Fields): NodeMessage | null {
  const read = readPresences(presences);
  if (read === null || !isNumber(part) || !isNumber(parts) || part >= parts) return null;
  return { type: 'set', node, n, part, parts, presences: read };
}

function readPresences(list: unknown): readonly Presence[] | null {
  if (!Array.isArray(list)) return null;
  const presences = list.map(readPresence);
  return presences.every((presence) => presence !== null) ? presences : null;
}

function readPresence(value: unknown): Presence | null {
  if (!isObject(value)) return null;
  const { key, ref, peer, deviceId, onlineAt, over } = value;
  const state = readPresenceTrack(value);
  if (typeof key !== 'string' || typeof ref !== 'string' || typeof peer !== 'string') return null;
  if (typeof deviceId !== 'string' || !isNumber(onlineAt) || isRefusal(state)) return null;
  if (over !== null && typeof over !== 'string') return null;
  return { key, ref, peer, deviceId, onlineAt, state, over };
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
