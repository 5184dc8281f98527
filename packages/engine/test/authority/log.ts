import { type Answer, type Batch, clientOf, type LoggedOp } from '@holdfast/engine/authority';
import { Tree } from '@holdfast/engine/data';
import type { Leaf, Path, Seq } from '@holdfast/protocol';

/** A storage in memory that keeps what an authority asks it to, and can be asked what it holds. */
export class Log {
  readonly ops: LoggedOp[] = [];
  readonly #answers = new Map<string, readonly Answer[]>();
  readonly #entries = new Map<Path, Leaf>();
  readonly #maps = new Map<Path, Seq>();

  get head(): Seq {
    return this.ops.length;
  }

  append(expected: Seq, batch: Batch): 'stored' | 'behind' {
    if (expected !== this.head) return 'behind';
    for (const op of batch.ops) {
      if (op.seq !== this.head + 1) throw new Error(`seq ${op.seq} after ${this.head}`);
      this.ops.push(op);
    }
    for (const answer of batch.answers) {
      const key = `${answer.deviceId} ${answer.opId}`;
      const before = this.#answers.get(key) ?? [];
      const isAgain = before.some(({ principal }) => principal === answer.principal);
      if (isAgain) throw new Error(`${key} was answered before`);
      this.#answers.set(key, [...before, answer]);
    }
    for (const [path, leaf] of batch.entries) change(this.#entries, path, leaf);
    for (const [path, revision] of batch.maps) change(this.#maps, path, revision);
    return 'stored';
  }

  read(after: Seq): readonly LoggedOp[] {
    return this.ops.slice(after);
  }

  answers(
    ids: readonly { readonly deviceId: string; readonly opId: string }[],
    clients: readonly string[],
  ): { readonly answers: readonly Answer[]; readonly highs: ReadonlyMap<string, number> } {
    const answers = ids.flatMap(
      ({ deviceId, opId }) => this.#answers.get(`${deviceId} ${opId}`) ?? [],
    );
    const highs = new Map<string, number>();
    for (const { opId } of [...this.#answers.values()].flat()) {
      const id = clientOf(opId);
      if (id === null || !clients.includes(id.client)) continue;
      highs.set(id.client, Math.max(id.counter, highs.get(id.client) ?? 0));
    }
    return { answers, highs };
  }

  /** The state as it would be loaded after a restart. */
  load(): Tree {
    const tree = Tree.empty();
    for (const [path, leaf] of this.#entries) tree.load([{ path, ...leaf }]);
    tree.load([], this.#maps);
    return tree;
  }
}

function change<V>(map: Map<Path, V>, path: Path, value: V | null): void {
  if (value === null) map.delete(path);
  else map.set(path, value);
}
