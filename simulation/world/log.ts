import { type Answer, type Batch, clientOf, type LoggedOp } from '@holdfast/engine/authority';
import { Tree } from '@holdfast/engine/data';
import type { Leaf, Path, Seq } from '@holdfast/protocol';

type Asked = {
  readonly ids: readonly { readonly deviceId: string; readonly opId: string }[];
  readonly clients: readonly string[];
};

/** The storage of a world: a log, the entries that follow from it, and the dedupe records; any number of hosts share it. */
export class Log {
  readonly ops: LoggedOp[] = [];
  readonly #answers = new Map<string, Answer>();
  readonly #highs = new Map<string, number>();
  readonly #entries = new Map<Path, Leaf>();
  readonly #maps = new Map<Path, Seq>();

  get head(): Seq {
    return this.ops.length;
  }

  append(expected: Seq, batch: Batch): 'stored' | 'behind' {
    if (expected !== this.head) return 'behind';
    for (const op of batch.ops) this.ops.push(op);
    for (const [path, leaf] of batch.entries) put(this.#entries, path, leaf);
    for (const [path, revision] of batch.maps) put(this.#maps, path, revision);
    for (const answer of batch.answers) {
      this.#answers.set(keyOf(answer), answer);
      const id = clientOf(answer.opId);
      if (id === null) continue;
      this.#highs.set(id.client, Math.max(id.counter, this.#highs.get(id.client) ?? 0));
    }
    return 'stored';
  }

  read(after: Seq): readonly LoggedOp[] {
    return this.ops.slice(after);
  }

  answers({ ids, clients }: Asked): {
    readonly answers: readonly Answer[];
    readonly highs: ReadonlyMap<string, number>;
  } {
    const highs = new Map<string, number>();
    for (const client of clients) {
      const high = this.#highs.get(client);
      if (high !== undefined) highs.set(client, high);
    }
    return { answers: ids.flatMap((id) => this.#answers.get(keyOf(id)) ?? []), highs };
  }

  /** The state at the head, from the entries, as a host that starts loads it. */
  load(): Tree {
    const tree = Tree.empty();
    for (const [path, leaf] of this.#entries) tree.load([{ path, ...leaf }]);
    tree.load([], this.#maps);
    return tree;
  }
}

function keyOf({ deviceId, opId }: { readonly deviceId: string; readonly opId: string }): string {
  return `${deviceId} ${opId}`;
}

function put<V>(map: Map<Path, V>, path: Path, value: V | null): void {
  if (value === null) map.delete(path);
  else map.set(path, value);
}
