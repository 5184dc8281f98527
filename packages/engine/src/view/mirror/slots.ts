import type { Json, UploadState } from '@holdfast/protocol';
import type { NodeKey } from './names.ts';

/** What fills a slot of a node: the items of a stream, with their keys, or the state of an upload. */
export type Slot = {
  readonly node: NodeKey;
  readonly shown: Json;
  readonly keys?: readonly string[];
};

/** What fills the slots of a root, by {@link slotKey}. */
export type Slots = ReadonlyMap<string, Slot>;

/** An upload of which nothing came. */
export const emptyUpload: UploadState = /* @__PURE__ */ Object.freeze({
  config: null,
  status: 'idle',
  entries: [],
  errors: [],
  progress: 0,
});

/** The upload in a slot. */
export function uploadIn(slot: Slot | undefined): UploadState {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is ever in the slot of an upload
  return (slot?.shown ?? emptyUpload) as UploadState;
}

/** The key of a slot. No two are alike, for the key of a node ends where its list does. */
export function slotKey(node: NodeKey, kind: 'stream' | 'upload', name: string): string {
  return `${node}${kind} ${name}`;
}
