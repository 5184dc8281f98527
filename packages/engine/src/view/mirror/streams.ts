import type { Json } from '@holdfast/protocol';
import type { StreamOp } from '@holdfast/protocol/views';
import type { NodeKey } from './names.ts';
import { share } from './share.ts';
import type { Slot } from './slots.ts';

/** What happens to a stream within one envelope. */
export class Streaming {
  readonly #node: NodeKey;
  readonly #was: Stream;
  readonly #keys: string[];
  readonly #items: Json[];
  /** The keys that are there. */
  readonly #present: Set<string>;

  /** Begins with what is there now: what was, or nothing at a mount. */
  constructor(node: NodeKey, was: Slot | undefined, now: Slot | undefined) {
    const { keys, items } = streamOf(now);
    this.#node = node;
    this.#was = streamOf(was);
    this.#keys = [...keys];
    this.#items = [...items];
    this.#present = new Set(keys);
  }

  apply(op: StreamOp): void {
    if (op.op === 'reset') this.#cut(0, this.#keys.length);
    else this.#delete(op.item_key);
    if (op.op === 'insert') this.#insert(op);
  }

  /** The stream after it; an item that is equal to the one of its key is that one, and an equal list that list. */
  end(): Slot {
    const was = new Map(this.#was.keys.map((key, index) => [key, this.#was.items[index]]));
    const items = this.#items.map((item, index) =>
      share(item, was.get(this.#keys[index] ?? ''), plain),
    );
    const { items: before } = this.#was;
    const isEqual =
      items.length === before.length && items.every((item, index) => item === before[index]);
    return { node: this.#node, keys: this.#keys, shown: isEqual ? before : items };
  }

  #insert({ item_key: key, item, at, limit }: Extract<StreamOp, { readonly op: 'insert' }>): void {
    const { length } = this.#keys;
    const index = at === -1 ? length : Math.min(Math.max(at, 0), length);
    this.#keys.splice(index, 0, key);
    this.#items.splice(index, 0, item);
    this.#present.add(key);
    if (limit === null) return;
    const kept = Math.abs(limit);
    const overflow = Math.max(this.#keys.length - kept, 0);
    this.#cut(at === 0 ? kept : 0, overflow);
  }

  #delete(key: string): void {
    if (this.#present.has(key)) this.#cut(this.#keys.indexOf(key), 1);
  }

  #cut(start: number, count: number): void {
    for (const key of this.#keys.splice(start, count)) this.#present.delete(key);
    this.#items.splice(start, count);
  }
}

type Stream = { readonly keys: readonly string[]; readonly items: readonly Json[] };

function streamOf(slot: Slot | undefined): Stream {
  const { keys = [], shown = [] } = slot ?? {};
  return { keys, items: Array.isArray(shown) ? shown : [] };
}

/** Items are plain data. */
const plain = { keyOf: () => undefined, before: () => undefined };
