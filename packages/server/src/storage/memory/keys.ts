import { keptKeysMs } from '../batch.ts';
import type { KeyRow, KeyTable } from '../port.ts';
import type { Clocks } from '../settled.ts';

/** The table of idempotency keys. */
export class MemoryKeys implements KeyTable {
  /** Oldest first. */
  readonly #rows = new Map<string, KeyRow>();
  readonly #clocks: Clocks;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
  }

  async take(key: Omit<KeyRow, 'answer'>): Promise<KeyRow | null> {
    const disbelievedMs = this.#clocks.now() - this.#clocks.settled();
    const oldest = key.at - disbelievedMs - keptKeysMs;
    for (const [name, { at }] of this.#rows) {
      if (at > oldest) break;
      this.#rows.delete(name);
    }
    const known = this.#rows.get(key.name);
    if (known !== undefined && known.at > oldest) return known;
    this.#rows.delete(key.name);
    this.#rows.set(key.name, { ...key, answer: null });
    return null;
  }

  async answer(name: string, answer: string): Promise<void> {
    const row = this.#rows.get(name);
    if (row !== undefined) this.#rows.set(name, { ...row, answer });
  }

  async free(name: string): Promise<void> {
    this.#rows.delete(name);
  }
}
