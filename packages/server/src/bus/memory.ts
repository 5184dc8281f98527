import type { Bus, BusHandler, BusOptions } from './port.ts';
import { Topics, warnOfError } from './topics.ts';

/** Beyond this many undelivered messages new ones are lost, as a bus may. */
const pendingMax = 10_000;

/** A bus inside one process: for a single node, and for several nodes in one test. */
export function memoryBus({ onError = warnOfError }: BusOptions = {}): Bus {
  return new MemoryBus(new Topics(onError));
}

type Message = { readonly topic: string; readonly bytes: Uint8Array };

class MemoryBus implements Bus {
  readonly #topics: Topics;
  #pending: Message[] = [];
  #closed = false;

  constructor(topics: Topics) {
    this.#topics = topics;
  }

  publish(topic: string, bytes: Uint8Array): void {
    if (this.#closed || !this.#topics.has(topic) || this.#pending.length === pendingMax) return;
    this.#pending.push({ topic, bytes });
    if (this.#pending.length === 1) queueMicrotask(() => this.#deliver());
  }

  subscribe(topic: string, handler: BusHandler): () => void {
    const remove = this.#topics.add(topic, handler);
    return () => {
      remove();
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#topics.clear();
  }

  #deliver(): void {
    const messages = this.#pending;
    this.#pending = [];
    for (const { topic, bytes } of messages) this.#topics.deliver(topic, bytes);
  }
}
