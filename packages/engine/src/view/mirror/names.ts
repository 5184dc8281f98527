import { isObject, type Json } from '@holdfast/protocol';
import { nodeIdOf, type NodeId } from '@holdfast/protocol/views';

/** A node as a key of maps: its id, encoded. */
export type NodeKey = string;

/** The key of a node id. */
export function nodeKey(id: NodeId): NodeKey {
  return JSON.stringify(id);
}

/** The key of a node of the wire tree; undefined: it is no node. */
export function wireKey(value: Json): NodeKey | undefined {
  const id = nodeIdOf(value);
  return id === null ? undefined : nodeKey(id);
}

/** Whether a value has others inside it. */
export function isContainer(value: Json | undefined): value is readonly Json[] | Members {
  return typeof value === 'object' && value !== null;
}

/** The members of an object. */
export type Members = { readonly [name: string]: Json };

/** A member of an object or element of a list, own ones only. */
export function memberOf(value: Json | undefined, name: string | number): Json | undefined {
  if (Array.isArray(value)) return value[Number(name)];
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}
