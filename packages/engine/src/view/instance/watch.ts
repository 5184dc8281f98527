import type { WatchCallback } from '../definition.ts';
import type { ViewNode } from './node.ts';
import { type Reader, Reads } from './reads.ts';

/** Something that a node keeps an eye on (views.md §11.2). */
export class Watch implements Reader {
  readonly node: ViewNode;
  readonly read: () => unknown;
  /** Null: a change has the node render. */
  readonly callback: WatchCallback | null;
  readonly reads: Reads;
  value: unknown = undefined;
  /** Whether there is a value to compare with. */
  hasRead = false;
  isEnded = false;
  readonly #changed: (watch: Watch) => void;

  constructor(
    of: { readonly node: ViewNode; readonly read: () => unknown },
    callback: WatchCallback | null,
    changed: (watch: Watch) => void,
  ) {
    this.node = of.node;
    this.read = of.read;
    this.callback = callback;
    this.#changed = changed;
    this.reads = new Reads(this);
  }

  readsChanged(): void {
    if (!this.isEnded) this.#changed(this);
  }

  end(): void {
    this.isEnded = true;
    this.reads.end();
  }
}
