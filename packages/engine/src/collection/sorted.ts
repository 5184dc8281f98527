/** Items of one chunk before it is split in two. */
const CHUNK_MAX = 512;

/**
 * Items in order, in chunks, so that an item is found, put in and taken out at a cost that hardly grows with their number.
 *
 * 1. No chunk is empty; each holds at most {@link CHUNK_MAX} items.
 * 2. Items ascend, within a chunk and from chunk to chunk.
 */
export class Sorted<T> {
  readonly #compare: (a: T, b: T) => number;
  #chunks: T[][] = [];
  #size = 0;

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#size;
  }

  /** Takes over items that are in order already. */
  load(items: readonly T[]): void {
    this.#chunks = [];
    this.#size = items.length;
    for (let at = 0; at < items.length; at += CHUNK_MAX / 2) {
      this.#chunks.push(items.slice(at, at + CHUNK_MAX / 2));
    }
  }

  add(item: T): void {
    this.#size += 1;
    const at = Math.min(this.#chunkOf(item), this.#chunks.length - 1);
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#chunks.push([item]);
      return;
    }
    chunk.splice(
      lowerBound(chunk, (each) => this.#compare(each, item) < 0),
      0,
      item,
    );
    if (chunk.length > CHUNK_MAX) this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK_MAX / 2));
  }

  delete(item: T): void {
    const at = this.#chunkOf(item);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return;
    const index = lowerBound(chunk, (each) => this.#compare(each, item) < 0);
    const found = chunk[index];
    if (found === undefined || this.#compare(found, item) !== 0) return;
    chunk.splice(index, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
    this.#size -= 1;
  }

  /** Up to so many items, from the first that does not come before; those that do are the first of all. */
  from(isBefore: (item: T) => boolean, count: number): readonly T[] {
    const found: T[] = [];
    const first = this.#chunkFrom(isBefore);
    for (let at = first; at < this.#chunks.length && found.length < count; at++) {
      const chunk = this.#chunks[at] ?? [];
      const from = at === first ? lowerBound(chunk, isBefore) : 0;
      found.push(...chunk.slice(from, from + count - found.length));
    }
    return found;
  }

  /** The first chunk whose last item is not before the item. */
  #chunkOf(item: T): number {
    return this.#chunkFrom((each) => this.#compare(each, item) < 0);
  }

  #chunkFrom(isBefore: (item: T) => boolean): number {
    return lowerBound(this.#chunks, (chunk) => {
      const last = chunk.at(-1);
      return last !== undefined && isBefore(last);
    });
  }
}

/** The first index of which it does not hold; it holds of all before. */
function lowerBound<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const item = items[middle];
    if (item !== undefined && holds(item)) low = middle + 1;
    else high = middle;
  }
  return low;
}
