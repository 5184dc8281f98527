import type { UploadConfig, UploadOp } from '@holdfast/protocol/views';
import type { UploadDefinition, UploadHandles } from '../definition.ts';
import type { ViewNode } from './node.ts';
import type { Scope } from './scope.ts';
import type { UploadInput } from './types.ts';

type Entry = { readonly node: ViewNode; readonly subscriber: number; readonly op: UploadOp };

/** The uploads of an instance (views.md §10). */
export class Uploads {
  readonly #entries = new Map<string, Entry>();

  hear(input: UploadInput): void {
    throw new TypeError(`${input.type} is not there yet.`);
  }

  handlesFor(node: ViewNode, scope: Scope): UploadHandles {
    throw new TypeError(`${node.view.name} has no uploads yet (${scope.phase}).`);
  }

  /** Told in the first envelope in which the node exists (views.md §10.2). */
  configs(node: ViewNode): readonly UploadOp[] {
    return Object.entries(node.view.uploads ?? {}).map(([upload, definition]) => ({
      op: 'config',
      upload,
      store_id: node.storeId,
      config: configOf(definition),
    }));
  }

  /** The entries of one subscriber. */
  opsOf(subscriber: number): readonly UploadOp[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.subscriber === subscriber)
      .map(({ op }) => op);
  }

  nodeEnded(node: ViewNode): void {
    for (const [ref, entry] of this.#entries) if (entry.node === node) this.#entries.delete(ref);
  }

  subscriberGone(subscriber: number): void {
    for (const [ref, entry] of this.#entries) {
      if (entry.subscriber === subscriber) this.#entries.delete(ref);
    }
  }
}

/** What clients are told of the limits of an upload. */
export function configOf(definition: UploadDefinition): UploadConfig {
  const { accept, maxEntries = 1, maxFileSize = 8_000_000, chunkSize = 64_000 } = definition;
  return {
    accept,
    max_entries: maxEntries,
    max_file_size: maxFileSize,
    chunk_size: chunkSize,
  };
}
