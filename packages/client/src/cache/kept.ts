import { type OpId, parseStoreName, type StoreName } from '@holdfast/protocol';
import type { PendingRequest } from '@holdfast/engine/replica';
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
import { letterOfNow, Reading, type Schema } from './reading.ts';
import {
  asFault,
  cacheFault,
  faultKind,
  type Hand,
  type RowBatch,
  type RowChange,
  type RowStore,
} from './rows.ts';
import { headText, leafText, letterText, requestText } from './texts.ts';

/** A storage that says nothing for so long is given up: a client that waited on would never send anything. */
const answerMsMax = 30_000;

const noTerms: CacheTerms = {
  realm: '',
  deviceId: '',
  isDeviceGiven: false,
  schemaVersion: null,
  migrate: null,
  wall: () => Date.now(),
  report: () => undefined,
};

/** What is known of a store between its load and its end. */
type Shelf = {
  readonly pen: string;
  /** Entries are not stored for now: there was no room for them, or what they would be added to is gone. */
  isLean: boolean;
  readonly watch?: Watch | undefined;
};

/** A cache over rows of text: what every durable driver is made of. */
export function keptIn(rows: RowStore): Cache {
  return new KeptCache(rows);
}

/**
 * Says what the rows of a cache mean, and what happens when they cannot be stored or read:
 *
 * 1. Where there is no room, the entries go, so that there is room for the outbox.
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
  #terms = noTerms;
  #last: Promise<unknown> = Promise.resolve();
  /** How many go on or wait. */
  #turns = 0;
  #isStuck = false;

  constructor(rows: RowStore) {
    this.#rows = rows;
    rows.removed = () => {
      for (const [store, shelf] of this.#shelves) {
        // What cannot be read now, the next commit tells.
        this.#turn(() => this.#removed(this.#place(store), shelf)).catch(() => undefined);
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
      commit: async (store, change, reign) => {
        this.#revive(store, change.requests);
        const written = await this.#turn(() => this.#store(store, change, { reign }));
        return written === 'stored';
      },
      keep: (store, requests) => {
        this.#revive(store, requests);
        return this.#turn(() => this.#keep(store, requests));
      },
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
    this.#revive(store, change.requests);
    return this.#turn(async () => {
      const { pen } = await this.#shelf(store);
      await this.#store(store, change, { pen });
    });
  }

  clear(store: StoreName): Promise<void> {
    this.#shelves.delete(store);
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
    const pen = newPen();
    const shelf: Shelf = { pen, isLean: false, watch };
    const reading = new Reading(this.#terms, isOthers);
    const place = this.#place(store);
    const kinds = ['entry', 'map', 'request', 'letter'] as const;
    const head = await this.#rows.read(place, { pen, kinds }, reading.take);
    this.#shelves.set(store, shelf);
    const { image, letters, moves, faults, former } = reading.finish(head);
    this.#know(store, former);
    this.letters.loaded(store, letters);
    for (const fault of faults) this.#terms.report(fault);
    if (reading.isCorrupt || moves.length > 0) {
      const fresh = { head: headText(emptyHead), clears: true, rows: [] };
      const committed = reading.isCorrupt ? fresh : null;
      await this.#rows.write({ place, hand: { pen }, committed, own: moves });
    }
    return image;
  }

  async #store(store: StoreName, change: CacheChange, hand: Hand): Promise<'stored' | 'fenced'> {
    const shelf = await this.#shelf(store);
    if (change.replaces) shelf.isLean = false;
    const { seq, incarnation, scope, patterns, queries } = change;
    const head = headText({ seq, incarnation, scope, patterns, queries });
    const committed = { head, clears: change.replaces, rows: rowsOf(change) };
    const batch = { place: this.#place(store), hand };
    return this.#saving(store, change.requests, async (own) => {
      if (shelf.isLean) return this.#write({ ...batch, committed: null, own });
      try {
        return await this.#write({ ...batch, committed, own }, shelf);
      } catch (error) {
        if (faultKind(error) !== 'full') throw error;
        return this.#economise({ ...batch, own, shelf }, error);
      }
    });
  }

  /** There is no room: the server has the entries, and nobody but us the requests. */
  async #economise(
    of: { place: string; hand: Hand; own: readonly RowChange[]; shelf: Shelf },
    cause: unknown,
  ): Promise<'stored' | 'fenced'> {
    const { place, hand, own, shelf } = of;
    const nothing = { head: headText(emptyHead), clears: true, rows: [] };
    // What goes makes room once that is stored: in one transaction with what comes, Chromium has none for it.
    await this.#write({ place, hand, committed: nothing, own: [] });
    shelf.isLean = true;
    const written = await this.#write({ place, hand, committed: null, own });
    this.#terms.report(cacheFault('full', { cause, kept: true }));
    return written;
  }

  async #write(batch: RowBatch, shelf?: Shelf): Promise<'stored' | 'fenced'> {
    const written = await this.#rows.write(batch);
    if (written === 'gone' && shelf !== undefined) await this.#removed(batch.place, shelf, true);
    return written === 'fenced' && 'reign' in batch.hand ? 'fenced' : 'stored';
  }

  /** Tells that others have removed what was stored, once that is known, or a request is missing. */
  async #removed(place: string, shelf: Shelf, isKnown = false): Promise<void> {
    const { watch } = shelf;
    let kept = true;
    // A page that has nothing there does not make anew what somebody who signs out has deleted.
    if (watch?.isIdle === false) {
      const left = new Set<OpId>();
      await this.#rows.read(place, { pen: null, kinds: ['request'] }, (...[, rows]) => {
        for (const [opId] of rows) left.add(opId);
      });
      kept = watch.left(left);
    }
    if (kept && !isKnown) return;
    shelf.isLean = true;
    this.#terms.report(cacheFault('cleared', { kept }));
  }

  async #keep(store: StoreName, requests: CacheChange['requests']): Promise<void> {
    const place = this.#place(store);
    // A pen that nobody has: what is not fenced is written all the same.
    const hand = { pen: '' };
    await this.#saving(store, requests, (own) =>
      this.#write({ place, hand, committed: null, own }),
    );
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
    const written = await write([
      ...requests.map(([id, pending]): RowChange => ['request', id, pending && textOf(pending)]),
      ...letters.map(([id, letter]): RowChange => [
        'letter',
        id,
        letter && letterText({ letter, schema: schemaOf(id) }),
      ]),
    ]);
    if (written === 'stored') this.letters.saved(store, letters);
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
    const shelf: Shelf = { pen: newPen(), isLean: false };
    await this.#rows.read(this.#place(store), { pen: shelf.pen, kinds: [] }, () => undefined);
    this.#shelves.set(store, shelf);
    return shelf;
  }

  #place(store: StoreName): string {
    return `${this.#terms.realm}\n${store}`;
  }
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

/** Nobody draws the same. */
function newPen(): string {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(36)).join('');
}

/** Rejects when a storage does not answer, and says what is wrong in our words. */
function answered<T>(asked: Promise<T>, stuck: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stuck();
      reject(cacheFault('stuck'));
    }, answerMsMax);
    asked.then(resolve, (cause: unknown) => reject(asFault(cause)));
    const stop = (): void => clearTimeout(timer);
    asked.then(stop, stop);
  });
}
