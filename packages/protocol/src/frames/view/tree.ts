import { isObject } from '../../json.ts';

/** The identity of one live node within its root: `[]` for the root itself (views.md §1). */
export type NodeId = readonly string[];

/** The member that marks an object of the wire tree as a node (views.md §6.2). */
export const nodeMarker = '__musubi_store_id__';
/** The only member of a stream's slot. */
export const streamMarker = '__musubi_stream__';
/** The only member of an upload's slot. */
export const uploadMarker = '__musubi_upload__';
/** Marks an object of four members as an async value. */
export const asyncMarker = '__musubi_async__';

/** What an async value goes through (views.md §9). */
export type AsyncStatus = 'loading' | 'ok' | 'failed';

/** Whether a name is kept for markers: no rendered object may have such a member (views.md §6.2). */
export function isMarker(name: string): boolean {
  return name.startsWith('__musubi_');
}

/** The node id of an object of the tree; null: it is no node. */
export function nodeIdOf(value: unknown): NodeId | null {
  if (!isObject(value) || !Object.hasOwn(value, nodeMarker)) return null;
  const id = value[nodeMarker];
  return isNodeId(id) ? id : null;
}

/** Whether a decoded value is a node id. */
export function isNodeId(value: unknown): value is NodeId {
  return Array.isArray(value) && value.every((part) => typeof part === 'string');
}

/** The name in a stream's slot; null: it is none. */
export function streamNameOf(value: unknown): string | null {
  return slotName(value, streamMarker);
}

/** The name in an upload's slot; null: it is none. */
export function uploadNameOf(value: unknown): string | null {
  return slotName(value, uploadMarker);
}

// With other members beside it, it is plain data (views.md §6.2).
function slotName(value: unknown, marker: string): string | null {
  if (!isObject(value) || !Object.hasOwn(value, marker)) return null;
  const name = value[marker];
  return typeof name === 'string' && Object.keys(value).length === 1 ? name : null;
}

/** Whether an object of the tree is an async value: all four members are there. */
export function isAsyncValue(value: unknown): value is {
  readonly [asyncMarker]: true;
  readonly status: AsyncStatus;
  readonly result: unknown;
  readonly reason: unknown;
} {
  if (!isObject(value) || !Object.hasOwn(value, asyncMarker) || value[asyncMarker] !== true) {
    return false;
  }
  const { status } = value;
  const isKnown = status === 'loading' || status === 'ok' || status === 'failed';
  return isKnown && Object.hasOwn(value, 'result') && Object.hasOwn(value, 'reason');
}
