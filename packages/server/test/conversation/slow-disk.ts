import type { Storage } from '@holdfast/server/storage';

/** A storage whose appends and device records can be made to wait, as on a disk that has much to do. */
export class SlowDisk {
  readonly storage: Storage;
  #held: (() => void)[] | null = null;
  #waiting: (() => void)[] = [];

  constructor(disk: Storage) {
    this.storage = {
      stores: disk.stores,
      tokens: disk.tokens,
      files: disk.files,
      webhooks: disk.webhooks,
      audit: disk.audit,
      keys: disk.keys,
      devices: {
        get: (store, device) => disk.devices.get(store, device),
        put: async (store, device, record) => {
          await this.#turn();
          return disk.devices.put(store, device, record);
        },
      },
      open: (store) => disk.open(store),
      load: (store) => disk.load(store),
      append: async (store, expected, batch) => {
        await this.#turn();
        return disk.append(store, expected, batch);
      },
      read: (store, after, limit) => disk.read(store, after, limit),
      answers: (store, asked) => disk.answers(store, asked),
      markers: (store, after, limit) => disk.markers(store, after, limit),
      compact: (store, through, limit) => disk.compact(store, through, limit),
      size: () => disk.size(),
      now: () => disk.now(),
      close: () => disk.close(),
    };
  }

  /** From now on what is to be written waits. */
  hold(): void {
    this.#held ??= [];
  }

  /** Resolves when something waits. */
  async reached(): Promise<void> {
    while (this.#held?.length === 0) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Lets everything go on. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const go of held) go();
  }

  async #turn(): Promise<void> {
    const held = this.#held;
    if (held === null) return;
    await new Promise<void>((resolve) => {
      held.push(resolve);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }
}
