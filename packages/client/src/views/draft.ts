import type {
  AsyncSlot,
  AsyncState,
  NodeTypes,
  RemoteNode,
  Snapshot,
  StreamSlot,
  UploadSlot,
  UploadState,
} from '@holdfast/protocol';
import { type childMark, placed } from '@holdfast/engine/mirror';

/** Plain data that may be edited. */
export type Draft<T> = T extends readonly (infer Item)[]
  ? Draft<Item>[]
  : T extends object
    ? { -readonly [Name in keyof T]: Draft<T[Name]> }
    : T;

/** A node's snapshot that may be edited (views.md §12.7). */
export type DraftOf<Types> = Types extends { readonly snapshot: infer Tree }
  ? DraftField<Tree>
  : unknown;

/** What tells a child from a plain object; {@link child} puts it there. */
export interface ChildMark {
  readonly [childMark]: unknown;
}

/** A child in a draft. What is to become one is made by {@link child}; a copy of one by spread is the same child. */
export type ChildDraft<Types extends NodeTypes> = DraftOf<Types> & ChildMark;

type DraftField<Tree> = unknown extends Tree
  ? unknown
  : Tree extends string | number | boolean | null | undefined
    ? Tree
    : Tree extends RemoteNode<infer Types>
      ? ChildDraft<Types>
      : Tree extends StreamSlot<infer Item>
        ? Draft<Snapshot<Item>>[]
        : Tree extends AsyncSlot<infer Data>
          ? Draft<AsyncState<Snapshot<Data>>>
          : Tree extends UploadSlot
            ? Draft<UploadState>
            : Tree extends { toISOString(): string } | { readonly href: string }
              ? string
              : Tree extends readonly (infer Item)[]
                ? DraftField<Item>[]
                : Tree extends object
                  ? { -readonly [Member in keyof Tree]: DraftField<Tree[Member]> }
                  : never;

/**
 * A child that the server does not have yet, for an `optimistic` draft: `draft.cards.push(child(id, { title }))`, with the
 * id that the server's `h.child` will give it. It is a proxy at once, and the same one afterwards; a command on it goes
 * to the server after the one that makes it. Where there is such a child already the draft throws.
 */
export function child<Fields extends object>(id: string, fields: Fields): Fields & ChildMark {
  return placed(id, fields);
}
