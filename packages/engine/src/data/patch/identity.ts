import { isObject, type Json, type JsonObject } from '@holdfast/protocol';
import { nodeMarker } from '@holdfast/protocol/views';

/** What tells an element of a list from the others, wherever it stands; null: nothing does (views.md §11.5). */
export function identityOf(element: unknown): string | number | null {
  if (!isObject(element)) return null;
  const node = markOf(element);
  // Beside the identities that a string can be, so that no field makes a plain object look like a node.
  if (node !== null) return `node ${JSON.stringify(node)}`;
  const field = fieldOf(element, 'id') ?? fieldOf(element, 'key');
  return typeof field === 'string' ? `field ${field}` : field;
}

/** Whether two elements have one identity; costs less than to compare what {@link identityOf} says. */
export function isSameElement(a: Json, b: Json): boolean {
  if (!isObject(a) || !isObject(b)) return false;
  const [nodeA, nodeB] = [markOf(a), markOf(b)];
  if (nodeA !== null || nodeB !== null) return isSameMark(nodeA, nodeB);
  const identity = fieldOf(a, 'id') ?? fieldOf(a, 'key');
  return identity !== null && identity === (fieldOf(b, 'id') ?? fieldOf(b, 'key'));
}

/** Whether two objects are one node, or no node both of them: else the one takes the place of the other as a whole. */
export function isSameNode(a: JsonObject, b: JsonObject): boolean {
  return isSameMark(markOf(a), markOf(b));
}

function isSameMark(a: readonly unknown[] | null, b: readonly unknown[] | null): boolean {
  if (a === b) return true;
  if (a === null || b === null || a.length !== b.length) return false;
  return a.every((part, index) => part === b[index]);
}

function markOf(element: { readonly [key: string]: unknown }): readonly unknown[] | null {
  if (!Object.hasOwn(element, nodeMarker)) return null;
  const mark = element[nodeMarker];
  return Array.isArray(mark) ? mark : null;
}

function fieldOf(
  element: { readonly [key: string]: unknown },
  name: string,
): string | number | null {
  if (!Object.hasOwn(element, name)) return null;
  const field = element[name];
  return typeof field === 'string' || typeof field === 'number' ? field : null;
}
