import { isObject } from '@holdfast/protocol';
import type { Envelope, HandshakeAnswer } from '@holdfast/protocol/record';

type Place = {
  readonly incarnation: string;
  readonly sequence: number;
  /** Something of the store was hidden, so that this says not what is there. */
  readonly part?: true;
};

/** How far a stream of records is in each store, as the ids of its events say it (records.md §8.1.2). */
export class StreamCursor {
  readonly #places = new Map<string, Place>();
  /** The stores of which something may be hidden, or was when the stream before ended. */
  readonly #parts = new Set<string>();

  /** Goes on from the id of the last event that came; one that cannot be read is none. */
  constructor(id: string | null) {
    for (const [store, place] of Object.entries(readId(id))) {
      if (!isPlace(place)) continue;
      this.#places.set(store, place);
      if (place.part === true) this.#parts.add(store);
    }
  }

  /** What is there already of a key's store; where that is a part of it, under the name of no view that there is. */
  at(key: string): Partial<Place> & { readonly view?: string } {
    const { incarnation, sequence, part } = this.#places.get(storeOf(key)) ?? {};
    if (incarnation === undefined || sequence === undefined) return {};
    return { incarnation, sequence, ...(part && { view: 'part' }) };
  }

  /** Goes on with these answers, and with what may be hidden by now. */
  reads(answers: readonly HandshakeAnswer[], hidden: readonly string[]): void {
    for (const { key } of answers) this.#parts.delete(storeOf(key));
    for (const { key, type } of answers) if (type === 'denied') this.hides(key);
    for (const key of hidden) this.hides(key);
  }

  /** Something of a key's store is hidden, or may be. */
  hides(key: string): void {
    this.#parts.add(storeOf(key));
  }

  /** Takes in an envelope that is told; the id of its event. */
  passed(key: string, { sequence, incarnation }: Envelope): string {
    const store = storeOf(key);
    const last = this.#places.get(store);
    const isOwn = last !== undefined && last.incarnation === incarnation;
    const reached = isOwn ? Math.max(last.sequence, sequence) : sequence;
    this.#places.set(store, { incarnation: incarnation ?? '', sequence: reached });
    return this.id;
  }

  /** How far it is; empty: nothing of any store is known. */
  get id(): string {
    if (this.#places.size === 0) return '';
    const places = Array.from(this.#places, ([store, { incarnation, sequence }]) => {
      const isPart = this.#parts.has(store);
      return [store, { incarnation, sequence, ...(isPart && { part: true }) }] as const;
    });
    return encodeURIComponent(JSON.stringify(Object.fromEntries(places)));
  }
}

function storeOf(key: string): string {
  return key.split('/').slice(1, 3).join('/');
}

function readId(id: string | null): object {
  try {
    const value: unknown = JSON.parse(decodeURIComponent(id ?? ''));
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isPlace(value: unknown): value is Place {
  if (!isObject(value)) return false;
  return typeof value['incarnation'] === 'string' && Number.isSafeInteger(value['sequence']);
}
