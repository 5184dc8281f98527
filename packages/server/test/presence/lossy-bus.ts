import type { Bus, BusHandler } from '@holdfast/server/bus';

/** One bus as several nodes have it: each through a port of its own, which loses and reorders as it is told. */
export class LossyPort implements Bus {
  readonly #bus: Bus;
  /** Says of each message that this node publishes whether it is lost. */
  loses: (topic: string) => boolean = () => false;
  #held: { readonly topic: string; readonly bytes: Uint8Array }[] | null = null;
  #isCut = false;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  publish(topic: string, bytes: Uint8Array): void {
    if (this.#isCut || this.loses(topic)) return;
    if (this.#held === null) this.#bus.publish(topic, bytes);
    else this.#held.push({ topic, bytes });
  }

  subscribe(topic: string, handler: BusHandler): () => void {
    return this.#bus.subscribe(topic, (bytes) => {
      if (!this.#isCut) handler(bytes);
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Nothing leaves this node until {@link release}, which sends the newest first. */
  hold(): void {
    this.#held ??= [];
  }

  release(): number {
    const held = this.#held ?? [];
    this.#held = null;
    for (const { topic, bytes } of held.toReversed()) this.publish(topic, bytes);
    return held.length;
  }

  /** As if the node had been killed. */
  cut(): void {
    this.#isCut = true;
  }
}
