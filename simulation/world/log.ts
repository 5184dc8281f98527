import { type Answer, type Batch, clientOf, type LoggedOp } from '@holdfast/engine/authority';
import { Tree } from '@holdfast/engine/data';
import type { Leaf, Path, Seq } from '@holdfast/protocol';
import { type Room, type Spoils, spoilsOf } from './room.ts';

type Asked = {
  readonly ids: readonly { readonly deviceId: string; readonly opId: string }[];
  readonly clients: readonly string[];
};

/** The storage of a world: a log, the entries that follow from it, and the dedupe records; any number of hosts share it. */
export class Log {
  readonly ops: LoggedOp[] = [];
  /** When each was stored, by a clock that nobody sets. */
  readonly times: number[] = [];
  readonly #room: Room | null;
  readonly #answers = new Map<string, readonly Answer[]>();
  readonly #highs = new Map<string, number>();
  readonly #entries = new Map<Path, Leaf>();
  readonly #maps = new Map<Path, Seq>();

  constructor(room: Room | null = null) {
    this.#room = room;
  }

  get head(): Seq {
    return this.ops.length;
  }

  append(expected: Seq, batch: Batch): 'stored' | 'behind' {
    if (expected !== this.head) return 'behind';
    const isSpoiled = spoilsOf(this.#room);
    if (isSpoiled('the log forgets a commit')) return 'stored';
    for (const op of spoiled(batch.ops, isSpoiled)) {
      this.ops.push(op);
      this.times.push(this.#room?.agenda.now ?? 0);
    }
    for (const [path, leaf] of batch.entries) {
      if (!isSpoiled('the log forgets entries')) put(this.#entries, path, leaf);
    }
    for (const [path, revision] of batch.maps) put(this.#maps, path, revision);
    this.#remember(batch.answers, isSpoiled);
    return 'stored';
  }

  #remember(answers: readonly Answer[], isSpoiled: Spoils): void {
    for (const answer of answers) {
      if (isSpoiled('the log forgets answers')) continue;
      const key = keyOf(answer);
      this.#answers.set(key, [...(this.#answers.get(key) ?? []), answer]);
      const id = clientOf(answer.opId);
      if (id === null) continue;
      this.#highs.set(id.client, Math.max(id.counter, this.#highs.get(id.client) ?? 0));
    }
  }

  /** In the end, one is missing. */
  lose(): void {
    this.ops.splice(this.ops.length >> 1, 1);
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

/** What a log keeps that is not as it should be. */
function spoiled(ops: readonly LoggedOp[], isSpoiled: Spoils): readonly LoggedOp[] {
  const [first] = ops;
  if (first === undefined) return ops;
  const { length } = ops;
  if (isSpoiled('the log keeps a commit twice')) {
    return [
      ...ops,
      ...ops.map((op) => ({ ...op, seq: op.seq + length, tx: op.tx && op.tx + length })),
    ];
  }
  if (length > 1 && isSpoiled('the log tears a commit')) return [first];
  if (isSpoiled('the log invents an op')) {
    return ops.map((op) => ({ ...op, clientOpId: `nobody:s1:${op.seq}` }));
  }
  return ops;
}

function keyOf({ deviceId, opId }: { readonly deviceId: string; readonly opId: string }): string {
  return `${deviceId} ${opId}`;
}

function put<V>(map: Map<Path, V>, path: Path, value: V | null): void {
  if (value === null) map.delete(path);
  else map.set(path, value);
}
