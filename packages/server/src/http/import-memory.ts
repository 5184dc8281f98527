import { createHash } from 'node:crypto';
import type { EpochMs } from '@holdfast/protocol';

import type { KeyTable } from '../storage/port.ts';

/** More than a chunk and those beside it have; many uploads under one id would have as many prints as they like. */
const PRINTS_MAX = 5000;

/** Where it is remembered: under which import of which store. */
type Room = {
  readonly keys: KeyTable;
  readonly now: () => EpochMs;
  readonly storeId: string;
  readonly importId: string;
};

/**
 * Which lines the uploads before this one have brought under the same id (stores.md §13.4.3): by their content, chunk by
 * chunk. Where lines were mended, taken out or put in meanwhile, those around them may have come into the next chunk.
 */
export class ImportMemory {
  readonly #room: Room;
  /** What was known of each chunk before this upload said anything about it; of those only that it is at. */
  readonly #before = new Map<number, Promise<readonly number[]>>();
  readonly #now = new Map<number, readonly number[]>();

  constructor(room: Room) {
    this.#room = room;
  }

  /** The prints of lines that an upload before this one has brought, of a chunk and those beside it. */
  async near(chunk: number): Promise<ReadonlySet<number>> {
    const around = [chunk - 1, chunk, chunk + 1].filter((each) => each >= 0);
    for (const each of [...this.#before.keys(), ...this.#now.keys()]) {
      if (around.includes(each)) continue;
      this.#before.delete(each);
      this.#now.delete(each);
    }
    return new Set((await Promise.all(around.map((each) => this.#known(each)))).flat());
  }

  /** Lines of a chunk are there now. */
  async keep(chunk: number, prints: readonly number[]): Promise<void> {
    const before = this.#now.get(chunk) ?? (await this.#known(chunk));
    const all = [...new Set([...before, ...prints])].slice(-PRINTS_MAX);
    this.#now.set(chunk, all);
    await this.#room.keys.answer(this.#nameOf(chunk), JSON.stringify(all));
  }

  #known(chunk: number): Promise<readonly number[]> {
    const known = this.#before.get(chunk) ?? this.#recall(chunk);
    this.#before.set(chunk, known);
    return known;
  }

  async #recall(chunk: number): Promise<readonly number[]> {
    const { keys, now } = this.#room;
    const row = await keys.take({ name: this.#nameOf(chunk), print: 0, at: now() });
    const told: unknown = JSON.parse(row?.answer ?? '[]');
    const prints: readonly unknown[] = Array.isArray(told) ? told : [];
    return prints.filter((print) => typeof print === 'number');
  }

  #nameOf(chunk: number): string {
    const { storeId, importId } = this.#room;
    const text = JSON.stringify(['import', storeId, importId, chunk]);
    return createHash('sha256').update(text).digest('base64url');
  }
}
