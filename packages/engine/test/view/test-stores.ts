import type { StoreAccess } from '@holdfast/engine/view';

type Listener = () => void;

class TestStore {
  readonly values = new Map<string, unknown>();
  readonly listeners = new Map<string, Set<Listener>>();
  isOpen = true;
  opened: Promise<void> = Promise.resolve();
  #open: () => void = () => undefined;

  close(): void {
    this.isOpen = false;
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.isOpen = true;
    this.#open();
  }
}

/** What application code has of a store in these tests. */
export type TestHandle = {
  get(key: string): unknown;
  put(key: string, value: unknown): Promise<void>;
};

/** Stores that are a map each, tracked as a host tracks them. */
export class TestStores {
  readonly #stores = new Map<string, TestStore>();

  #at(name: string): TestStore {
    const store = this.#stores.get(name) ?? new TestStore();
    this.#stores.set(name, store);
    return store;
  }

  open(name: string, access: StoreAccess): TestHandle {
    const store = this.#at(name);
    return {
      get: (key) => {
        const tracker = access.tracker();
        if (tracker !== null && !store.isOpen) tracker.hold(store.opened);
        tracker?.follow(`${name} ${key}`, (changed) => this.#follow(store, key, changed));
        return store.values.get(key);
      },
      put: (key, value) => {
        if (access.isReadOnly()) throw new TypeError('a render writes nothing');
        this.put(name, key, value);
        return Promise.resolve();
      },
    };
  }

  put(name: string, key: string, value: unknown): void {
    const store = this.#at(name);
    if (store.values.get(key) === value) return;
    store.values.set(key, value);
    for (const changed of Array.from(store.listeners.get(key) ?? [])) changed();
  }

  /** From now on its reads wait. */
  close(name: string): void {
    this.#at(name).close();
  }

  reopen(name: string): void {
    this.#at(name).open();
  }

  /** How many readings follow something. */
  get followers(): number {
    let count = 0;
    for (const { listeners } of this.#stores.values()) {
      for (const set of listeners.values()) count += set.size;
    }
    return count;
  }

  #follow(store: TestStore, key: string, changed: Listener): () => void {
    const listeners = store.listeners.get(key) ?? new Set();
    store.listeners.set(key, listeners);
    const listener = (): void => changed();
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }
}
