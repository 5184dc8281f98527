import { abort, answerOf } from './answers.ts';
import { kinds, type Regroup } from './layout.ts';
import { cacheFault } from './rows.ts';

/** In that of 1 each entry and each map was a record, too. */
const version = 2;

/** What happens while a database is opened, and later. */
type Heard = {
  /** It answers, and changes the layout. */
  readonly upgrading: () => void;
  /** The browser has closed the connection. */
  readonly terminated: () => void;
};

/**
 * Opens a database, and makes one of this layout of it where it is new or of a former layout: in the first of the ways that
 * succeeds, which are loaded where one is needed.
 */
export async function openLayout(
  name: string,
  heard: Heard,
  ways: readonly Regroup[] | null = null,
): Promise<IDBDatabase> {
  const { indexedDB: factory } = globalThis as Partial<typeof globalThis>;
  if (factory === undefined) throw cacheFault('unavailable');
  let isOld = false;
  try {
    const opening = factory.open(name, version);
    opening.addEventListener('upgradeneeded', ({ oldVersion }) => {
      const { result: db, transaction: tx } = opening;
      heard.upgrading();
      isOld = oldVersion === 1;
      if (!isOld) for (const kind of ['notes', 'places', ...kinds]) db.createObjectStore(kind);
      else if (tx !== null) void regroup(tx, ways?.[0]);
    });
    const db = await answerOf<IDBDatabase>(opening);
    db.addEventListener('close', heard.terminated);
    return db;
  } catch (cause) {
    const rest = isOld ? (ways?.slice(1) ?? (await import('./regroup.ts')).ways) : [];
    if (rest.length > 0) return openLayout(name, heard, rest);
    if (cause instanceof DOMException && cause.name === 'VersionError') {
      throw cacheFault('newer', { cause });
    }
    throw cacheFault(isQuota(cause) ? 'full' : 'unavailable', { cause });
  }
}

async function regroup(tx: IDBTransaction, way: Regroup | undefined): Promise<void> {
  try {
    if (way === undefined) tx.abort();
    else await way(tx);
  } catch {
    abort(tx);
  }
}

export function isQuota(error: unknown): boolean {
  return error instanceof Error && error.name === 'QuotaExceededError';
}
