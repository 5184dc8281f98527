import {
  type Glob,
  type HoldfastError,
  isRefusal,
  type OpId,
  ownRequest,
  type Refusal,
  refuse,
  type Request,
} from '@holdfast/protocol';
import { Tree } from '@holdfast/engine/data';
import type { PendingRequest } from '@holdfast/engine/replica';
import { unlimited } from './unlimited.ts';
import type { CachedStore, CacheTerms, DeadLetter, IsOthers } from './port.ts';
import { cacheFault, type Row, type RowKind, unreadable } from './rows.ts';
import {
  type Head,
  Newer,
  quarantined,
  readEntry,
  readHead,
  readLetter,
  readMap,
  readRequest,
  type StoredRequest,
  Unreadable,
} from './texts.ts';

/** What was read of a store, and what is to be changed about it. */
export type Read = {
  readonly image: CachedStore | null;
  readonly letters: readonly DeadLetter[];
  /** The entries cannot be read. */
  readonly isCorrupt: boolean;
  /** Requests that have become letters. */
  readonly moved: ReadonlySet<OpId>;
  readonly faults: readonly HoldfastError[];
  /** What is left as a former version of the application has made it, and of which that is. */
  readonly former: ReadonlyMap<OpId, Schema>;
};

/** A version of the application's data. */
export type Schema = string | number | null;

/**
 * Reads a store's rows, page by page. Nothing is believed: a row that makes no sense is never data. Entries can be had
 * again, so one bad row ends them all; each request stands for itself.
 */
export class Reading {
  readonly #terms: CacheTerms;
  readonly #isOthers: IsOthers;
  #tree = Tree.empty();
  #rows = 0;
  readonly #outbox: PendingRequest[] = [];
  readonly #letters: DeadLetter[] = [];
  readonly #moved = new Set<OpId>();
  readonly #faults: HoldfastError[] = [];
  readonly #former = new Map<OpId, Schema>();
  /** The entries cannot be read. */
  #isCorrupt = false;

  /** What others are about to send is theirs: it is neither migrated nor given up. */
  constructor(terms: CacheTerms, isOthers: IsOthers = () => false) {
    this.#terms = terms;
    this.#isOthers = isOthers;
  }

  readonly take = (kind: RowKind, rows: readonly Row[]): void => {
    this.#rows += rows.length;
    if (kind === 'request') rows.forEach((row) => this.#takeRequest(row));
    else if (kind === 'letter') rows.forEach((row) => this.#takeLetter(row));
    else if (!this.#isCorrupt) this.#takeCommitted(kind, rows);
  };

  finish(text: string | null): Read {
    const head = text === null && this.#tree.size === 0 ? nothing : this.#headOf(text ?? '');
    // Of a place whose rows nobody finds, the outbox may be among them.
    const kept = text !== unreadable || this.#rows > 0;
    if (this.#isCorrupt) this.#faults.unshift(cacheFault('corrupt', { kept }));
    const isEmpty = text === null && this.#rows === 0;
    const image: CachedStore = {
      ...(this.#isCorrupt ? nothing : head),
      entries: [],
      maps: [],
      loaded: this.#isCorrupt ? Tree.empty() : this.#tree,
      outbox: this.#outbox.toSorted(byOrder),
    };
    // One that is pending was put back, or refused just before the end.
    const pending = new Set(this.#outbox.map(({ opId }) => opId));
    const dead = this.#letters.filter(({ opId }) => !pending.has(opId));
    const [isCorrupt, moved] = [this.#isCorrupt, this.#moved];
    const [faults, former] = [this.#faults, this.#former];
    const read = { isCorrupt, letters: dead, moved, faults, former };
    return { ...read, image: isEmpty ? null : image };
  }

  #headOf(text: string): Head {
    try {
      return readHead(text);
    } catch {
      this.#isCorrupt = true;
      return nothing;
    }
  }

  #takeCommitted(kind: 'entry' | 'map', rows: readonly Row[]): void {
    try {
      if (kind === 'entry') this.#tree.load(rows.map(readEntry));
      else this.#tree.load([], rows.map(readMap));
    } catch {
      this.#isCorrupt = true;
      this.#tree = Tree.empty();
    }
  }

  #takeLetter(row: Row): void {
    try {
      const { letter, schema = this.#terms.schemaVersion } = readLetter(row);
      const shown = letterOfNow(this.#terms, letter, schema);
      // Where nobody knows how it would be made now, it stays what it was.
      if (shown === letter) this.#former.set(letter.opId, schema);
      this.#letters.push(shown);
    } catch (error) {
      if (error instanceof Newer) this.#leave();
      else this.#letters.push(quarantined(row, this.#terms.wall()));
    }
  }

  #takeRequest(row: Row): void {
    try {
      this.#admit(readRequest(row));
    } catch (error) {
      if (error instanceof Newer) {
        this.#leave();
        return;
      }
      if (!(error instanceof Unreadable)) throw error;
      this.#faults.push(cacheFault('corrupt', { cause: error, kept: true }));
      this.#bury(quarantined(row, this.#terms.wall()), null);
    }
  }

  /** It waits for the version that wrote it. */
  #leave(): void {
    this.#faults.push(cacheFault('newer', { kept: true }));
  }

  #admit(stored: StoredRequest): void {
    const { pending, device, schema } = stored;
    if (this.#isOthers(pending.opId, pending.holder)) {
      this.#outbox.push(pending);
      return;
    }
    // What the server may have got, it knows by the name of the device and by what was asked: neither may change.
    if (pending.firstSentAt !== null) {
      this.#former.set(pending.opId, schema);
      if (device === this.#terms.deviceId) this.#outbox.push(pending);
      else this.#refuse(stored, refuse('outcome_unknown'));
      return;
    }
    if (isOfNow(this.#terms, schema)) {
      this.#outbox.push(pending);
      return;
    }
    const request = migrated(this.#terms, stored, (fault) => this.#faults.push(fault));
    if (isRefusal(request)) this.#refuse(stored, request);
    else this.#outbox.push({ ...pending, request });
  }

  #refuse({ pending, schema }: StoredRequest, refusal: Refusal): void {
    const { opId, request, createdAt } = pending;
    this.#bury({ opId, request, refusal, createdAt, refusedAt: this.#terms.wall() }, schema);
  }

  #bury(letter: DeadLetter, schema: Schema): void {
    this.#former.set(letter.opId, schema);
    this.#letters.push(letter);
    this.#moved.add(letter.opId);
  }
}

/**
 * What was refused of a former version is sent again as it would be made now; where nobody knows how, or of what may have been
 * committed, which the server knows by its content: the same letter.
 */
export function letterOfNow(terms: CacheTerms, letter: DeadLetter, schema: Schema): DeadLetter {
  const { request, refusal } = letter;
  const isUncertain = refusal.code === 'outcome_unknown';
  if (request === null || isUncertain || isOfNow(terms, schema)) return letter;
  // If it cannot be migrated that is known: it is why it is a letter, or was told when it became one.
  const now = migrated(terms, { pending: { request }, schema }, () => undefined);
  return isRefusal(now) ? letter : { ...letter, request: now };
}

function isOfNow({ schemaVersion, migrate }: CacheTerms, schema: Schema): boolean {
  return schema === schemaVersion || migrate === null;
}

function migrated(
  { migrate }: CacheTerms,
  { pending, schema }: { readonly pending: { readonly request: Request }; readonly schema: Schema },
  failed: (fault: HoldfastError) => void,
): Request | Refusal {
  try {
    const request = migrate?.(pending.request, schema) ?? null;
    return request === null ? refuse('schema_skew') : ownRequest(request, unlimited);
  } catch (cause) {
    failed(cacheFault('failed', { cause, kept: true }));
    return refuse('schema_skew');
  }
}

const noPatterns: readonly Glob[] = [];
const nothing: Head = { seq: 0, incarnation: null, scope: null, patterns: noPatterns };

function byOrder(a: PendingRequest, b: PendingRequest): number {
  return a.order - b.order || a.createdAt - b.createdAt || (a.opId < b.opId ? -1 : 1);
}
