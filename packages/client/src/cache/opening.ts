import { openDB } from 'idb';
import { type Connection, kinds, type Layout, type Regroup, type Upgrade } from './layout.ts';
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
): Promise<Connection> {
  const { indexedDB: factory } = globalThis as Partial<typeof globalThis>;
  if (factory === undefined) throw cacheFault('unavailable');
  let isOld = false;
  try {
    return await openDB<Layout>(name, version, {
      upgrade(...[db, from, , tx]) {
        heard.upgrading();
        isOld = from === 1;
        const made = ['notes', 'places', ...kinds] as const;
        if (isOld) void regroup(tx, ways?.[0]);
        else for (const kind of made) db.createObjectStore(kind);
        // Whether it came to a good end, opening tells.
        tx.done.catch(() => undefined);
      },
      terminated: heard.terminated,
    });
  } catch (cause) {
    const rest = isOld ? (ways?.slice(1) ?? (await import('./regroup.ts')).ways) : [];
    if (rest.length > 0) return openLayout(name, heard, rest);
    if (cause instanceof DOMException && cause.name === 'VersionError') {
      throw cacheFault('newer', { cause });
    }
    throw cacheFault(isQuota(cause) ? 'full' : 'unavailable', { cause });
  }
}

async function regroup(tx: Upgrade, way: Regroup | undefined): Promise<void> {
  try {
    if (way === undefined) tx.abort();
    else await way(tx);
  } catch {
    abort(tx);
  }
}

/** Takes back what a transaction has done, unless it has ended. */
export function abort(tx: { abort(): void }): void {
  try {
    tx.abort();
  } catch {
    // It has.
  }
}

export function isQuota(error: unknown): boolean {
  return error instanceof Error && error.name === 'QuotaExceededError';
}
