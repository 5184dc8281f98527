import { Alarm } from './alarm.ts';
import type { Announcer } from './announcer.ts';
import type { Entry } from './entry.ts';
import type { Settings } from './settings.ts';

const recheckMs = 1000;

/** Keeps a registry's entries below its cap, least recently used first (registry.md §5.6). */
export class Crowd<T, O extends object> {
  readonly #settings: Settings<T, O>;
  readonly #announcer: Announcer<T>;
  readonly #entries: ReadonlyMap<string, Entry<T, O>>;
  readonly #alarm: Alarm;
  /** The key that last came in, until it is told that there is no room for it. */
  #newcomer: string | undefined;

  /** `entries` are in the order of their last use. */
  constructor(
    settings: Settings<T, O>,
    announcer: Announcer<T>,
    entries: ReadonlyMap<string, Entry<T, O>>,
  ) {
    this.#settings = settings;
    this.#announcer = announcer;
    this.#entries = entries;
    this.#alarm = new Alarm(settings.env, settings.timers, () =>
      this.#announcer.run(() => this.#trim()),
    );
  }

  /** An entry is about to come in. */
  enter(key: string): void {
    this.#newcomer = key;
    this.#check(1);
  }

  /** An entry may have become free to go. */
  check(): void {
    this.#check(0);
  }

  close(): void {
    this.#alarm.clear();
  }

  /** Looks for room in a later macrotask, so that whoever just got a value can still hold it. */
  #check(coming: number): void {
    if (this.#entries.size + coming <= this.#settings.maxEntries) return;
    if (this.#settings.timers) this.#alarm.set(this.#settings.env.now());
    else this.#trim(coming);
  }

  #trim(coming = 0): void {
    const staying = [...this.#entries.values()].filter((entry) => entry.state.status !== 'closing');
    let excess = staying.length + coming - this.#settings.maxEntries;
    for (const entry of staying) {
      if (excess <= 0) return;
      if (entry.yieldPlace()) excess -= 1;
    }
    if (excess <= 0) return;
    if (staying.every((entry) => entry.tenure.held)) this.#overflow();
    else this.#alarm.set(this.#settings.env.now() + recheckMs);
  }

  #overflow(): void {
    const key = this.#newcomer;
    if (key === undefined) return;
    this.#newcomer = undefined;
    const generation = this.#entries.get(key)?.state.generation ?? 0;
    this.#announcer.tell({ key, generation }, { type: 'overCapacity' });
    this.#settings.warn(
      `more than ${this.#settings.maxEntries} entries are in use; nothing was closed`,
    );
  }
}
