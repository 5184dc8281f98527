import { type OpId, parseStoreName, type StoreName } from '@holdfast/protocol';
import type { PendingRequest } from '@holdfast/engine/replica';
import { answered } from './answered.ts';
import { keeping } from './keeping.ts';
import { Letters } from './letters.ts';
import type {
  Cache,
  CacheChange,
  CachedStore,
  CacheSharing,
  CacheTerms,
  DeadLetter,
  IsOthers,
  Watch,
} from './port.ts';
import { Owed } from './owed.ts';
import { letterOfNow, type Read, Reading, type Schema } from './reading.ts';
import {
  cacheFault,
  faultKind,
  type Hand,
  type RowBatch,
  type RowChange,
  type RowStore,
  type Written,
} from './rows.ts';
import { newShelf, type Shelf } from './shelf.ts';
import { headText, leafText, letterText, requestText } from './texts.ts';

const noTerms: CacheTerms = {
  realm: '',
  deviceId: '',
  isDeviceGiven: false,
  schemaVersion: null,
  migrate: null,
  wall: () => Date.now(),
  report: () => undefined,
};

/** A cache over rows of text: what every durable driver is made of. */
export function keptIn(rows: RowStore): Cache {
  return new KeptCache(rows);
}

/**
 * Says what the rows of a cache mean, and what happens when they cannot be stored or read:
 *
 * 1. Where there is no room, the entries go, so that there is room for the outbox. Requests that cannot be stored all the
 *    same are stored with what comes next.
 * 2. What cannot be read is forgotten if the server has it, and becomes a dead letter if not.
 * 3. Everything else fails, and the client goes on without.
 */
class KeptCache implements Cache {
  readonly keeping = keeping;
  readonly sharing: CacheSharing;
  readonly letters: Letters;
  readonly #rows: RowStore;
  readonly #shelves = new Map<StoreName, Shelf>();
  /** Of each store, what is left as another version of the application has made it. */
  readonly #former = new Map<StoreName, Map<OpId, Schema>>();
  readonly #owed = new Owed();
  #terms = noTerms;
  #last: Promise<unknown> = Promise.resolve();
  /** How many go on or wait. */
  #turns = 0;
  #isStuck = false;

  constructor(rows: RowStore) {
    this.#rows = rows;
    rows.removed = () => {
      for (const [store, shelf] of this.#shelves) {
        shelf.isDoubted = true;
        // What cannot be read now, the next commit tells.
        this.#turn(() => this.#removed(store, shelf)).catch(() => undefined);
      }
    };
    this.letters = new Letters(
      (store) => this.#turn(() => this.#keep(store, [])),
      (fault) => this.#terms.report(fault),
      (store, letter) => this.#ofNow(store, letter),
    );
    this.sharing = {
      lead: () => this.#turn(() => this.#reign(nextReign)),
      reign: () => this.#turn(() => this.#reign((present) => present ?? '0')),
      commit: async (store, change, ...[reign, own = change.requests]) => {
        const deed = (): Promise<Written> => this.#store(store, change, { reign });
        return (await this.#owing(store, { ...change, own }, deed)) === 'stored';
      },
      keep: (store, requests, own = requests) =>
        this.#owing(store, { requests, own }, () => this.#keep(store, requests)),
      outbox: (store) => this.#turn(() => this.#outbox(store)),
    };
  }

  async open(terms: CacheTerms): Promise<string> {
    this.#terms = terms;
    const { deviceId, isDeviceGiven } = terms;
    const keep = (known: string | null): string =>
      isDeviceGiven || known === null || !/^[\w-]{8,64}$/.test(known) ? deviceId : known;
    const device = await this.#turn(() => this.#renewing(() => this.#rows.note('device', keep)));
    this.#terms = { ...terms, deviceId: device };
    return device;
  }

  load(store: StoreName, isOthers?: IsOthers, watch?: Watch): Promise<CachedStore | null> {
    return this.#turn(() => this.#renewing(() => this.#load(store, isOthers, watch)));
  }

  commit(store: StoreName, change: CacheChange): Promise<void> {
    return this.#owing(store, { ...change, own: change.requests }, async () => {
      const { pen } = await this.#shelf(store);
      await this.#store(store, change, { pen });
    });
  }

  clear(store: StoreName): Promise<void> {
    this.#shelves.delete(store);
    this.#owed.clear(store);
    return this.#turn(() => this.#rows.clear(this.#place(store)));
  }

  async waiting(): Promise<readonly StoreName[]> {
    const places = await this.#turn(() => this.#rows.waiting());
    const prefix = this.#terms.realm.length + 1;
    return places
      .filter((place) => place.startsWith(`${this.#terms.realm}\n`))
      .flatMap((place) => parseStoreName(place.slice(prefix)) ?? []);
  }

  /** What is still going on is not waited for: the storage is closed when that has ended. */
  close(): void | Promise<void> {
    const closing = this.#turn(() => this.#rows.close());
    if (this.#turns === 1) return closing;
    closing.catch(() => undefined);
  }

  /** One thing after the other, so that what is tried again is not overtaken; each within a time. */
  #turn<T>(deed: () => Promise<T>): Promise<T> {
    if (this.#isStuck) return Promise.reject(cacheFault('stuck'));
    this.#turns += 1;
    const done = this.#last.then(deed);
    this.#last = done
      .catch(() => undefined)
      .then(() => {
        this.#turns -= 1;
      });
    return answered(done, () => {
      this.#isStuck = true;
      void this.#last.then(() => (this.#isStuck = false));
    });
  }

  /** As `deed`, on new storage where the old one is damaged as a whole. */
  async #renewing<T>(deed: () => Promise<T>): Promise<T> {
    try {
      return await deed();
    } catch (error) {
      if (faultKind(error) !== 'corrupt') throw error;
      const old = await this.#rows.renew();
      const cause = old === null ? error : new Error(`the damaged file is ${old}`);
      this.#terms.report(cacheFault('corrupt', { cause }));
      return deed();
    }
  }

  async #load(store: StoreName, isOthers?: IsOthers, watch?: Watch): Promise<CachedStore | null> {
    const shelf = newShelf(watch);
    const place = this.#place(store);
    const kinds = ['entry', 'map', 'request', 'letter'] as const;
    const read = async (pen: string | null): Promise<Read> => {
      const reading = new Reading(this.#terms, isOthers);
      return reading.finish(await this.#rows.read(place, { pen, kinds }, reading.take));
    };
    // Where there is no room for a pen it can be read all the same.
    const found = await read(shelf.pen).catch((error: unknown) => {
      if (!isFull(error)) throw error;
      return read(null);
    });
    const { image, isCorrupt, letters, moved, faults, former } = found;
    this.#shelves.set(store, shelf);
    this.#know(store, former);
    this.letters.loaded(store, letters, moved);
    for (const opId of moved) this.#owed.add(store, [[opId, null]]);
    for (const fault of faults) this.#terms.report(fault);
    try {
      if (isCorrupt) await this.#empty(place, shelf);
      if (moved.size > 0) await this.#keep(store, []);
    } catch (cause) {
      if (!isFull(cause)) throw cause;
      // What is there stays as it was: whoever reads it next finds the same.
      this.#terms.report(cacheFault('full', { cause, kept: true }));
    }
    return image;
  }

  async #store(store: StoreName, change: CacheChange, hand: Hand): Promise<'stored' | 'fenced'> {
    const shelf = await this.#shelf(store);
    if (change.replaces) shelf.isLean = false;
    const { seq, incarnation, scope, patterns, queries } = change;
    const head = headText({ seq, incarnation, scope, patterns, queries });
    const whole = { head, clears: change.replaces, rows: rowsOf(change) };
    const committed = shelf.isLean ? null : whole;
    return this.#saving(store, change.requests, (own) =>
      this.#write(store, shelf, { hand, committed, own }),
    );
  }

  /** Stores a batch; where there is no room, without the entries: the server has them, and nobody but us the requests. */
  async #write(
    store: StoreName,
    shelf: Shelf,
    batch: Omit<RowBatch, 'place'>,
  ): Promise<'stored' | 'fenced'> {
    const place = this.#place(store);
    const { hand } = batch;
    let written: Written;
    try {
      written = await this.#rows.write({ ...batch, place });
    } catch (cause) {
      if (!isFull(cause)) throw cause;
      await this.#empty(place, shelf, hand);
      const wasLean = shelf.isLean;
      shelf.isLean = true;
      written = await this.#rows.write({ ...batch, place, committed: null });
      if (!wasLean) this.#terms.report(cacheFault('full', { cause, kept: true }));
    }
    const isGone = written === 'gone';
    if (isGone || shelf.isDoubted) await this.#removed(store, shelf, isGone);
    return written === 'fenced' && 'reign' in hand ? 'fenced' : 'stored';
  }

  /** Has the entries go. What goes makes room once that is stored: in one transaction with what comes, Chromium has none for it. */
  async #empty(place: string, { pen }: Shelf, hand?: Hand): Promise<void> {
    const isLeading = hand !== undefined && 'reign' in hand;
    if (!isLeading) {
      // Nobody is to add to what is gone: neither who leads, nor who has read it since we did.
      await this.#reign(nextReign);
      await this.#rows.read(place, { pen, kinds: [] }, () => undefined);
    }
    const committed = { head: headText(emptyHead), clears: true, rows: [] };
    await this.#rows.write({ place, hand: isLeading ? hand : { pen }, committed, own: [] });
  }

  /** Tells that others have removed what was stored, once that is known, or something that is ours is missing. */
  async #removed(store: StoreName, shelf: Shelf, isKnown = false): Promise<void> {
    const { watch } = shelf;
    const letters = this.letters.list(store);
    let kept = true;
    // A page that has nothing there does not make anew what somebody who signs out has deleted.
    if (watch?.isIdle === false || letters.length > 0) {
      const left = new Set<OpId>();
      const wanted = { pen: null, kinds: ['request', 'letter'] } as const;
      const head = await this.#rows.read(this.#place(store), wanted, (...[, rows]) => {
        for (const [opId] of rows) left.add(opId);
      });
      kept = watch?.left(left) ?? true;
      // Where there is a head, another tab has decided about those that are missing.
      if (head === null && shelf.lost !== letters && !letters.every(({ opId }) => left.has(opId))) {
        shelf.lost = letters;
        kept = false;
      }
    }
    shelf.isDoubted = false;
    if (kept && !isKnown) return;
    shelf.isLean = true;
    this.#terms.report(cacheFault('cleared', { kept }));
  }

  async #keep(store: StoreName, requests: CacheChange['requests']): Promise<void> {
    const shelf = this.#shelves.get(store) ?? newShelf();
    // A pen that nobody has: what is not fenced is written all the same.
    const hand = { pen: '' };
    await this.#saving(store, requests, (own) =>
      this.#write(store, shelf, { hand, committed: null, own }),
    );
  }

  /** What cannot be stored is stored with what comes next; that is not added to entries which lack what came with it. */
  #owing<T>(
    store: StoreName,
    { requests, own }: { readonly [Name in 'requests' | 'own']: CacheChange['requests'] },
    deed: () => Promise<T>,
  ): Promise<T> {
    this.#revive(store, requests);
    let isOver = false;
    const failed = (error: unknown): never => {
      const shelf = this.#shelves.get(store);
      if (!isOver) this.#owed.add(store, own);
      if (shelf !== undefined) shelf.isLean = true;
      isOver = true;
      throw error;
    };
    // It fails before the next has its turn, or never has one.
    return this.#turn(() => deed().catch(failed)).catch(failed);
  }

  /** A letter that is put back leaves as its request comes. */
  #revive(store: StoreName, requests: CacheChange['requests']): void {
    for (const [opId, pending] of requests) {
      const letter = pending && this.letters.take(store, opId);
      if (!letter) continue;
      // Edited it is made anew. A request that is asked for is a copy, so what it says is compared.
      const isEdited = JSON.stringify(letter.request) !== JSON.stringify(pending.request);
      if (isEdited) this.#former.get(store)?.delete(opId);
    }
  }

  #know(store: StoreName, former: ReadonlyMap<OpId, Schema>): void {
    this.#former.set(store, new Map([...(this.#former.get(store) ?? []), ...former]));
  }

  /** A letter of what a former version has made, and sent, is shown as it would be made now. */
  #ofNow(store: StoreName, letter: DeadLetter): DeadLetter {
    const former = this.#former.get(store);
    const schema = former?.get(letter.opId);
    if (schema === undefined) return letter;
    const shown = letterOfNow(this.#terms, letter, schema);
    if (shown !== letter) former?.delete(letter.opId);
    return shown;
  }

  /** Stores requests, and with them what has become of letters. */
  async #saving(
    store: StoreName,
    requests: CacheChange['requests'],
    write: (own: readonly RowChange[]) => Promise<'stored' | 'fenced'>,
  ): Promise<'stored' | 'fenced'> {
    const { deviceId: device, schemaVersion: schema } = this.#terms;
    const former = this.#former.get(store);
    const schemaOf = (opId: OpId): Schema => {
      const of = former?.get(opId);
      return of === undefined ? schema : of;
    };
    const textOf = (pending: PendingRequest): string =>
      requestText({ pending, device, schema: schemaOf(pending.opId) });
    const letters = this.letters.unsaved(store);
    const owed = this.#owed.list(store);
    const written = await write([
      ...[...new Map([...owed, ...requests])].map(([id, pending]): RowChange => [
        'request',
        id,
        pending && textOf(pending),
      ]),
      ...letters.map(([id, letter]): RowChange => [
        'letter',
        id,
        letter && letterText({ letter, schema: schemaOf(id) }),
      ]),
    ]);
    if (written === 'fenced') return written;
    this.letters.saved(store, letters);
    this.#owed.stored(store, owed);
    return written;
  }

  async #outbox(store: StoreName): Promise<readonly PendingRequest[]> {
    const reading = new Reading(this.#terms);
    await this.#rows.read(this.#place(store), { pen: null, kinds: ['request'] }, reading.take);
    const { image, former } = reading.finish(headText(emptyHead));
    this.#know(store, former);
    return image?.outbox ?? [];
  }

  async #reign(next: (last: string | null) => string): Promise<number> {
    return Number(await this.#rows.note('reign', next));
  }

  /** The shelf of a store; one that was not loaded is taken over as it is. */
  async #shelf(store: StoreName): Promise<Shelf> {
    const known = this.#shelves.get(store);
    if (known !== undefined) return known;
    const shelf = newShelf();
    await this.#rows.read(this.#place(store), { pen: shelf.pen, kinds: [] }, () => undefined);
    this.#shelves.set(store, shelf);
    return shelf;
  }

  #place(store: StoreName): string {
    return `${this.#terms.realm}\n${store}`;
  }
}

function isFull(error: unknown): boolean {
  return faultKind(error) === 'full';
}

function nextReign(last: string | null): string {
  const reign = Number(last ?? 0);
  return String(Number.isSafeInteger(reign) ? reign + 1 : 1);
}

const emptyHead = { seq: 0, incarnation: null, scope: null, patterns: [] } as const;

function* rowsOf({ entries, maps }: CacheChange): Generator<RowChange, void, undefined> {
  for (const [path, leaf] of entries) yield ['entry', path, leaf && leafText(leaf)];
  for (const [path, revision] of maps) {
    yield ['map', path, revision === null ? null : String(revision)];
  }
}
