import type { StreamOp, UploadOp } from '@holdfast/protocol/views';
import type { Streaming } from './outbox.ts';
import type { ViewNode } from './node.ts';

/** A node under the id of another one that has ended: clients have what that held (views.md §11.3). */
export type Takeover = { readonly node: ViewNode; readonly former: ViewNode };

/** The nodes that began in a cycle, and those that ended. */
export type Changed = { readonly added: readonly ViewNode[]; readonly ended: readonly ViewNode[] };

/** Which of the nodes that began are in the place of one that ended. */
export function takeovers({ added, ended }: Changed): readonly Takeover[] {
  if (added.length === 0 || ended.length === 0) return [];
  const formers = new Map(ended.map((node) => [node.key, node]));
  return added.flatMap((node) => {
    const former = formers.get(node.key);
    return former === undefined ? [] : [{ node, former }];
  });
}

/** Empties the streams that both have. */
export function streamResets(of: readonly Takeover[]): readonly Streaming[] {
  return of.flatMap(({ node, former }) =>
    [...(former.streams?.values() ?? [])]
      .filter(({ name }) => Object.hasOwn(node.view.streams ?? {}, name))
      .map(({ name, ref }) => {
        const op = { op: 'reset', stream: name, ref, store_id: node.storeId } as const;
        return { node, op };
      }),
  );
}

/** Empties the uploads that both have. */
export function uploadResets(of: readonly Takeover[]): readonly UploadOp[] {
  return of.flatMap(({ node, former }) =>
    Object.keys(former.view.uploads ?? {})
      .filter((name) => Object.hasOwn(node.view.uploads ?? {}, name))
      .map((upload) => ({ op: 'reset', upload, store_id: node.storeId }) as const),
  );
}

/** What empties streams and uploads of nodes, each by the node's id and its own name. */
export type Resets = {
  readonly streams: ReadonlyMap<string, StreamOp>;
  readonly uploads: ReadonlyMap<string, UploadOp>;
  /** Of the nodes that have some, as JSON. */
  readonly ids: ReadonlySet<string>;
};

/** Empties what clients have of nodes that ended, for who missed that: others may be under their ids by then. */
export function resetsOf(ended: readonly ViewNode[]): Resets {
  const streams = new Map<string, StreamOp>();
  const uploads = new Map<string, UploadOp>();
  const ids = new Set<string>();
  for (const { storeId, streams: used, view } of ended) {
    const id = JSON.stringify(storeId);
    for (const { name: stream, ref } of used?.values() ?? []) {
      streams.set(`${id} ${stream}`, { op: 'reset', stream, ref, store_id: storeId });
      ids.add(id);
    }
    for (const upload of Object.keys(view.uploads ?? {})) {
      uploads.set(`${id} ${upload}`, { op: 'reset', upload, store_id: storeId });
      ids.add(id);
    }
  }
  return { streams, uploads, ids };
}
