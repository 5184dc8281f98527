import type { WatchCallback } from '../definition.ts';
import type { ViewNode } from './node.ts';
import type { Lasting } from './lasting.ts';
import { Reader } from './reads.ts';

/** Something that a node keeps an eye on (views.md §11.2). */
export class Watch extends Reader implements Lasting {
  readonly node: ViewNode;
  readonly read: () => unknown;
  /** Null: a change has the node render. */
  readonly callback: WatchCallback | null;
  value: unknown = undefined;
  /** The value that the callback knows. */
  told: unknown = undefined;
  /** Whether the callback waits for its turn. */
  isQueued = false;
  /** Whether there is a value to compare with. */
  hasRead = false;
  isEnded = false;
  isStopped = false;
  readonly #changed: (watch: Watch) => void;
  #forget = (): void => undefined;

  constructor(
    of: { readonly node: ViewNode; readonly read: () => unknown },
    callback: WatchCallback | null,
    changed: (watch: Watch) => void,
  ) {
    super();
    this.node = of.node;
    this.read = of.read;
    this.callback = callback;
    this.#changed = changed;
  }

  /** It goes on, but not longer than its node. */
  begin(): void {
    if (!this.isEnded) this.#forget = this.node.whenEnded(() => this.end());
  }

  protected override readsChanged(): void {
    if (!this.isEnded) this.#changed(this);
  }

  pause(): void {
    this.isStopped = true;
  }

  resume(): void {
    this.isStopped = false;
    this.readsChanged();
  }

  end(): void {
    this.isStopped = true;
    this.isEnded = true;
    this.endReading();
    this.#forget();
  }
}
