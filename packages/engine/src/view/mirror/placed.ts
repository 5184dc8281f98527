import { isContainer, nodeKey, type NodeKey } from './names.ts';

/** What marks a child in a draft: its key, or, where a recipe has placed it, the id that it is to have. Copies have it, too. */
export const childMark: unique symbol = Symbol('child');

type Mark = NodeKey | { readonly id: string } | undefined;

/** A child that the server does not have yet, with the fields that it shows until then. */
export function placed<Fields extends object>(
  id: string,
  fields: Fields,
): Fields & { readonly [childMark]: { readonly id: string } } {
  return { ...fields, [childMark]: { id } };
}

/** The mark of a value; none where it is no child. */
export function markOf(value: object): Mark {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is put there
  return Reflect.get(value, childMark) as Mark;
}

/** Gives what a recipe has placed the key that the server will give it (views.md §6.3), and tells of every child. */
export function adopt(
  value: object,
  owner: readonly string[],
  told: (node: NodeKey, child: object, isNew: boolean) => void,
): void {
  for (const [name, inside] of Object.entries(value)) {
    if (!isContainer(inside)) continue;
    const mark = markOf(inside);
    if (mark === undefined) {
      adopt(inside, Array.isArray(value) ? owner : [...owner, name], told);
      continue;
    }
    const isNew = typeof mark === 'object';
    const node = isNew ? nodeKey([...owner, mark.id]) : mark;
    told(node, inside, isNew);
    Reflect.set(inside, childMark, node);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a key is the text of an id
    adopt(inside, JSON.parse(node) as string[], told);
  }
}
