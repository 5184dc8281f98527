import type { Signal } from '@holdfast/engine/registry';
import type { RecordState } from './types.ts';

type Entry = { readonly state: Signal<{ readonly status: RecordState<unknown>['status'] }> };

/** What has not caught up, or cannot (records.md §10). */
const behind: ReadonlySet<string> = new Set(['loading', 'stale', 'refetching', 'skew']);

/** Which entries are not as the server has them, as far as they have told: thousands may be open, so nobody asks them all. */
export class Behind {
  readonly #entries = new Set<Entry>();

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** Has `told` called behind what the entry says of itself. */
  follow(entry: Entry, told: () => void): void {
    entry.state.subscribe(() => {
      if (behind.has(entry.state.get().status)) this.#entries.add(entry);
      else this.#entries.delete(entry);
      told();
    });
  }
}
