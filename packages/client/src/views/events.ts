import { type Release, releaseOnce } from '@holdfast/engine/registry';
import type { ViewEvent } from '@holdfast/protocol/views';
import { nodeKey, type NodeKey } from '@holdfast/engine/mirror';
import { call } from '../cell.ts';
import type { Settings } from '../options.ts';

type Handler = { readonly run: (payload: unknown) => void };

const heldMax = 64;
const heldMs = 5000;

/** Who hears the events of a root, and those that nobody could hear yet (views.md §12.8). */
export class Events {
  readonly #settings: Settings;
  readonly #handlers = new Map<string, Set<Handler>>();
  /** What somebody has listened to in this mount. */
  #known = new Set<string>();
  #held: { readonly key: string; readonly payload: unknown; readonly until: number }[] = [];

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  on(node: NodeKey, name: string, run: (payload: never) => void): Release {
    const key = node + name;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the event carries the app's type says
    const handler: Handler = { run: run as Handler['run'] };
    const handlers = this.#handlers.get(key) ?? new Set();
    this.#handlers.set(key, handlers.add(handler));
    this.#known.add(key);
    const now = this.#settings.env.now();
    const due = this.#held.filter((event) => event.key === key && event.until >= now);
    this.#held = this.#held.filter((event) => event.key !== key);
    const deliver = (): void => due.forEach(({ payload }) => this.#tell(handlers, payload));
    if (due.length > 0) queueMicrotask(deliver);
    return releaseOnce(() => {
      handlers.delete(handler);
      if (handlers.size === 0 && this.#handlers.get(key) === handlers) this.#handlers.delete(key);
    });
  }

  deliver({ store_id: id, name, payload }: ViewEvent): void {
    const key = nodeKey(id) + name;
    if (this.#known.has(key)) {
      this.#tell(this.#handlers.get(key) ?? new Set(), payload);
      return;
    }
    const until = this.#settings.env.now() + heldMs;
    this.#held = [...this.#held.slice(1 - heldMax), { key, payload, until }];
  }

  /** The root is mounted: what was not heard in the mount before is of the past. */
  begin(): void {
    this.#held = [];
    this.#known = new Set(this.#handlers.keys());
  }

  #tell(handlers: ReadonlySet<Handler>, payload: unknown): void {
    for (const handler of Array.from(handlers)) {
      if (handlers.has(handler)) call(() => handler.run(payload), this.#settings.report);
    }
  }
}
