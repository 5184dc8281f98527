import type { Json } from '@holdfast/protocol';

/** What is at which path. */
export type Leaves = ReadonlyMap<string, Json>;

/** What a store is to hold, by what its operator did, and what it held at which seq. */
export class Shelf {
  readonly past: { readonly seq: number; readonly leaves: Leaves }[] = [];

  constructor(seq: number, leaves: Leaves) {
    this.past.push({ seq, leaves });
  }

  get leaves(): Leaves {
    return this.past.at(-1)?.leaves ?? new Map();
  }

  get seq(): number {
    return this.past.at(-1)?.seq ?? 0;
  }

  /** So it is from a seq on. */
  turned(seq: number, leaves: Leaves): void {
    this.past.push({ seq, leaves });
  }
}

/** The first path at which something else is than is to be; null: all is as it is to be. */
export function firstWrong(found: Leaves, wanted: Leaves): string | null {
  const paths = [...new Set([...found.keys(), ...wanted.keys()])].toSorted();
  const wrong = paths.find((path) => found.get(path) !== wanted.get(path));
  if (wrong === undefined) return null;
  const [is, isNot] = [found, wanted].map((leaves) => JSON.stringify(leaves.get(wrong)));
  return `${wrong} is ${is} instead of ${isNot}, of ${found.size} leaves instead of ${wanted.size}`;
}
