import { isObject } from '@holdfast/protocol';
import type { Envelope } from '@holdfast/protocol/record';

type Place = { readonly incarnation: string; readonly sequence: number };

/** How far a stream of records is in each store, as the ids of its events say it (records.md §8.1.2). */
export class StreamCursor {
  readonly #places = new Map<string, Place>();

  /** Goes on from the id of the last event that came; one that cannot be read is none. */
  constructor(id: string | null) {
    for (const [store, place] of Object.entries(readId(id))) {
      if (isPlace(place)) this.#places.set(store, place);
    }
  }

  /** What is there already of a key's store. */
  at(key: string): Partial<Place> {
    return this.#places.get(storeOf(key)) ?? {};
  }

  /** Takes in an envelope that is told; the id of its event. */
  passed(key: string, { sequence, incarnation }: Envelope): string {
    const store = storeOf(key);
    const last = this.#places.get(store);
    const isOwn = last !== undefined && last.incarnation === incarnation;
    const reached = isOwn ? Math.max(last.sequence, sequence) : sequence;
    this.#places.set(store, { incarnation: incarnation ?? '', sequence: reached });
    return encodeURIComponent(JSON.stringify(Object.fromEntries(this.#places)));
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
