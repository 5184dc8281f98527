import type { Json } from '@holdfast/protocol';
import type { StreamOp } from '@holdfast/protocol/views';
import { share } from './share.ts';

/** A stream as it is shown: items, and their keys in the same order (views.md §8.2). */
export type Stream = { readonly keys: readonly string[]; readonly items: readonly Json[] };

/** A stream of which nothing came. */
export const emptyStream: Stream = { keys: [], items: Object.freeze([]) };

/** What happens to a stream within one envelope. */
export class Streaming {
  readonly #was: Stream;
  readonly #keys: string[];
  readonly #items: Json[];
  /** The keys that are there. */
  readonly #present: Set<string>;

  /** Begins with what is there now: what was, or nothing at a mount. */
  constructor(was: Stream, now: Stream) {
    this.#was = was;
    this.#keys = [...now.keys];
    this.#items = [...now.items];
    this.#present = new Set(now.keys);
  }

  apply(op: StreamOp): void {
    if (op.op === 'reset') this.#cut(0, this.#keys.length);
    else this.#delete(op.item_key);
    if (op.op === 'insert') this.#insert(op);
  }

  /** The stream after it; an item that is equal to the one of its key is that one, and an equal list that list. */
  end(): Stream {
    const was = new Map(this.#was.keys.map((key, index) => [key, this.#was.items[index]]));
    const items = this.#items.map((item, index) =>
      share(item, was.get(this.#keys[index] ?? ''), plain),
    );
    const isEqual =
      items.length === this.#was.items.length &&
      items.every((item, index) => item === this.#was.items[index]);
    return { keys: this.#keys, items: isEqual ? this.#was.items : items };
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

/** Items are plain data. */
const plain = { keyOf: () => undefined, before: () => undefined };
