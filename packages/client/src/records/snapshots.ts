import {
  asPath,
  escapeSegment,
  isObject,
  type Json,
  type Leaf,
  type Path,
  type StoreName,
} from '@holdfast/protocol';
import { decodeExact, encodeExact, type Envelope, readEnvelope } from '@holdfast/protocol/record';
import type { Cache } from '../cache/port.ts';
import { call } from '../cell.ts';
import type { DeliveryDesk } from './delivery.ts';

/** Where envelopes are kept in a client's cache, beside its stores: no store can have this name. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a name for the cache only, which no server is told
const shelf = '~/envelopes' as StoreName;

/** Envelopes that are kept at most. */
const keptMax = 1000;

/** What is kept of one record: the definition's name is told, so that another one of its place is not taken for it. */
type Kept = { readonly record: string; readonly envelope: unknown };

/** The last envelope of each record that came by a transport, in the client's cache (records.md §6.7). */
export class Snapshots {
  readonly #cache: Cache;
  readonly #desk: DeliveryDesk;
  readonly #loaded: Promise<void>;
  readonly #kept = new Map<string, Kept>();
  readonly #dirty = new Set<string>();
  #left: readonly StoreName[] = [];
  #isLoaded = false;
  #isWriting = false;

  constructor(cache: Cache, desk: DeliveryDesk) {
    this.#cache = cache;
    this.#desk = desk;
    this.#loaded = this.#load();
  }

  /** Whether it is known what there is. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** Resolves when it is known what there is, or that it cannot be. */
  loaded(): Promise<void> {
    return this.#loaded;
  }

  /** Whether writes of a page before wait in a store, as far as it is known. */
  hasLeft(store: StoreName): boolean {
    return this.#left.includes(store);
  }

  get(key: string, record: string): unknown {
    const kept = this.#kept.get(key);
    return kept?.record === record ? kept.envelope : undefined;
  }

  /** Keeps an envelope in the place of the one before; null: none any more. */
  put(key: string, record: string, envelope: Envelope | null): void {
    this.#kept.delete(key);
    if (envelope !== null) this.#kept.set(key, { record, envelope });
    this.#dirty.add(key);
    const [oldest] = this.#kept.size > keptMax ? this.#kept.keys() : [];
    if (oldest !== undefined) {
      this.#kept.delete(oldest);
      this.#dirty.add(oldest);
    }
    void this.#write();
  }

  async #load(): Promise<void> {
    try {
      await this.#desk.room.settings.identified;
      this.#left = (await this.#cache.waiting?.()) ?? [];
      const image = await this.#cache.load(shelf);
      const entries = image?.loaded?.entries() ?? image?.entries ?? [];
      for (const { value } of entries) call(() => this.#take(value), this.#desk.report);
    } catch (error) {
      this.#desk.report(error);
    }
    this.#isLoaded = true;
  }

  #take(value: Json): void {
    if (typeof value !== 'string') return;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is parsed is JSON
    const kept: unknown = decodeExact(JSON.parse(value) as Json);
    if (!isObject(kept)) return;
    const { key, record, envelope } = kept;
    if (typeof key !== 'string' || typeof record !== 'string') return;
    // It was denied meanwhile.
    if (this.#dirty.has(key) && !this.#kept.has(key)) return;
    // What was rendered may have been put here meanwhile.
    const put = readEnvelope(this.#kept.get(key)?.envelope);
    if ('fault' in put || isNewer(envelope, put)) this.#kept.set(key, { record, envelope });
  }

  /** One commit at a time, with all that has changed meanwhile. */
  async #write(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    await this.#loaded;
    while (this.#dirty.size > 0) {
      const keys = [...this.#dirty];
      this.#dirty.clear();
      const entries = keys.map((key) => [pathOf(key), this.#leafOf(key)] as const);
      try {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await this.#cache.commit(shelf, { ...nothingElse, entries });
      } catch (error) {
        this.#desk.report(error);
      }
    }
    this.#isWriting = false;
  }

  #leafOf(key: string): Leaf | null {
    const kept = this.#kept.get(key);
    if (kept === undefined) return null;
    const value = JSON.stringify(encodeExact({ key, ...kept }));
    return { value, type: 'string', revision: 1 };
  }
}

/** What a client keeps of envelopes, once for all of them. */
const kept: WeakMap<DeliveryDesk, Snapshots> = /* @__PURE__ */ new WeakMap();

/** Null where nothing is kept. */
export function snapshotsOf(desk: DeliveryDesk): Snapshots | null {
  const { cache } = desk.room.settings;
  if (cache === null) return null;
  const known = kept.get(desk) ?? new Snapshots(cache, desk);
  kept.set(desk, known);
  return known;
}

/** Whether what was kept says more than what there is: of another incarnation it says nothing. */
export function isNewer(
  message: unknown,
  server: { readonly sequence: number; readonly incarnation: string | null } | null,
): boolean {
  const read = readEnvelope(message);
  if (server === null || 'fault' in read) return true;
  return read.incarnation === server.incarnation && read.sequence > server.sequence;
}

const nothingElse = {
  seq: 1,
  incarnation: null,
  scope: null,
  patterns: [],
  replaces: false,
  maps: [],
  requests: [],
} as const;

function pathOf(key: string): Path {
  return asPath(escapeSegment(key));
}
