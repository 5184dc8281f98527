import { parseStoreName, type StoreName } from '@holdfast/protocol';
import type { PendingRequest } from '@holdfast/engine/replica';
import { type Database, openDatabase } from './node-sqlite.ts';
import type { DeadLetter } from './port.ts';
import type { Row } from './rows.ts';
import { quarantined, readLetter, readRequest } from './texts.ts';

/** A write that is not decided, as it was kept. */
export type KeptWrite = Pick<
  PendingRequest,
  'opId' | 'request' | 'attempts' | 'createdAt' | 'firstSentAt'
>;

/** What an SQLite cache keeps of the writes to one store. */
export type KeptOutbox = {
  /** The server that they are for. */
  readonly url: string;
  /** The `principal` of the client; empty where it had none. */
  readonly principal: string;
  readonly store: StoreName;
  /** In the order in which they are sent. */
  readonly writes: readonly KeptWrite[];
  readonly deadLetters: readonly DeadLetter[];
};

/**
 * What waits in an SQLite cache, and what was refused and nobody has decided about: read as it is, without taking part, so
 * that the application that keeps it may be running. Throws where the file cannot be read as such a cache.
 */
export function inspect(file: string): readonly KeptOutbox[] {
  const db = openDatabase(file);
  try {
    return db
      .prepare('SELECT n, place FROM place ORDER BY place')
      .all()
      .flatMap(({ n, place }) => outboxOf(db, Number(n), String(place)))
      .filter(({ writes, deadLetters }) => writes.length + deadLetters.length > 0);
  } finally {
    db.close();
  }
}

function outboxOf(db: Database, n: number, place: string): readonly KeptOutbox[] {
  // No URL has a space and no name of a store a line break; a principal may have both.
  const [, url = '', principal = '', name = ''] = /^(\S*) (.*)\n(.*)$/s.exec(place) ?? [];
  const store = parseStoreName(name);
  if (store === null) return [];
  const writes: PendingRequest[] = [];
  const deadLetters: DeadLetter[] = [];
  for (const row of rowsOf(db, 'request', n)) {
    const pending = readOr(() => readRequest(row).pending);
    if (pending === null) deadLetters.push(quarantined(row, 0));
    else writes.push(pending);
  }
  for (const row of rowsOf(db, 'letter', n)) {
    deadLetters.push(readOr(() => readLetter(row).letter) ?? quarantined(row, 0));
  }
  const inOrder = writes.toSorted((a, b) => a.order - b.order || a.createdAt - b.createdAt);
  return [{ url, principal, store, writes: inOrder.map(keptWrite), deadLetters }];
}

function keptWrite({ opId, request, attempts, createdAt, firstSentAt }: PendingRequest): KeptWrite {
  return { opId, request, attempts, createdAt, firstSentAt };
}

function rowsOf(db: Database, kind: 'request' | 'letter', n: number): readonly Row[] {
  const rows = db.prepare(`SELECT id, text FROM ${kind} WHERE n = ? ORDER BY id`).all(n);
  return rows.map(({ id, text }) => [String(id), String(text)]);
}

/** null: what is there makes no sense, or only to a later version. */
function readOr<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
