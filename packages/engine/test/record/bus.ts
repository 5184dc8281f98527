import type { BusCodec, BusConnection } from '@holdfast/engine/record';
import type { Envelope } from '@holdfast/protocol/record';

/** A bus that hands out what is published in a microtask, to all who subscribe to the subject then. */
export class TestBus implements BusConnection {
  readonly subjects: string[] = [];
  readonly published: { readonly subject: string; readonly data: Uint8Array }[] = [];
  /** Subscribing fails this often. */
  failures = 0;
  /** Publishing fails with this. */
  fault: Error | null = null;
  #reconnected: (() => void)[] = [];
  readonly #hear = new Map<string, Set<(data: Uint8Array) => void>>();

  get subscriptions(): number {
    return [...this.#hear.values()].reduce((sum, each) => sum + each.size, 0);
  }

  async publish(subject: string, data: Uint8Array): Promise<void> {
    this.published.push({ subject, data });
    await Promise.resolve();
    if (this.fault !== null) throw this.fault;
    for (const hear of this.#hear.get(subject) ?? []) hear(data);
  }

  async subscribe(subject: string, hear: (data: Uint8Array) => void): Promise<() => void> {
    this.subjects.push(subject);
    await Promise.resolve();
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('no subscription now');
    }
    const here = this.#hear.get(subject) ?? new Set();
    this.#hear.set(subject, here.add(hear));
    return () => here.delete(hear);
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  onReconnect(fn: () => void): () => void {
    this.#reconnected.push(fn);
    return () => {
      this.#reconnected = this.#reconnected.filter((each) => each !== fn);
    };
  }

  reconnect(): void {
    for (const fn of this.#reconnected) fn();
  }
}

/** Messages as JSON in bytes. */
export const jsonBytes: BusCodec = {
  encode: (message) => new TextEncoder().encode(JSON.stringify(message)),
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as unknown,
};

/** Lets everything under way come to its end. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

/** An envelope of the value `{n}`. */
export function envelope(sequence: number): Envelope {
  return { value: { n: sequence }, schema_version: '1.0', sequence };
}

/** A handler that notes the sequences of what it hears. */
export function collect(into: number[]): (message: unknown) => void {
  return (message) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is published here
    into.push((message as Envelope).sequence);
  };
}
