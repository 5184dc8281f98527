import { HoldfastError, type OpId, type StoreName } from '@holdfast/protocol';
import { alarm, conduct } from '@holdfast/engine/registry';
import { Ledger } from '@holdfast/engine/replica';
import type { Cache, CacheChange, CachedStore, Keeper, KeeperDesk, Keeping, Kept } from './port.ts';
import { asFault, faultKind } from './rows.ts';
import { waitingIn } from './waiting.ts';

/** Half of the time that a cache has: a page that was frozen meanwhile has not waited, and its alarm rings as it thaws. */
const patienceMs = 15_000;

/** What may be otherwise with the next change, and costs it no time. */
const passing: ReadonlySet<unknown> = new Set(['full', 'stuck']);

type Loaded = ReturnType<Cache['load']>;

/**
 * Gives the cache what a replica wants stored. Once the cache has failed nothing is kept and everything goes on in memory, for
 * good or until it has room, or answers, again; a failure is reported once (registry.md §11, Storage).
 */
function keeper(store: StoreName, given: Cache, { env, report, show }: KeeperDesk): Keeper {
  let cache: Cache | null = given;
  let fault: HoldfastError | undefined;
  let drained: (() => void) | null = null;
  let stopReading: (() => void) | null = null;
  const waiting = waitingIn(show);
  const read = (): Loaded => given.load(store, undefined, waiting);
  const giveUp = (error?: unknown): void => {
    if (error !== undefined && cache !== null) report(error);
    if (error !== undefined) fault ??= asFault(error);
    cache = null;
    stopReading?.();
  };
  return {
    get isKeeping() {
      return cache !== null && fault === undefined && waiting.isWhole;
    },
    get fault() {
      return fault;
    },
    get isOver() {
      return cache === null && fault !== undefined;
    },
    ledger: () => cache && new Ledger(),
    giveUp,
    load(after, begin) {
      const failed = (error: unknown): void => {
        giveUp(error);
        begin(null);
      };
      const arrived = (kept: CachedStore | null): void => {
        waiting.found(kept?.outbox ?? []);
        begin(kept);
      };
      const isAfter = after instanceof Promise;
      stopReading = inTime(env, isAfter ? () => after.then(read) : read, { arrived, failed });
    },
    keep(change, receipts, then) {
      waiting.storing(change.requests);
      const over = (isStored: boolean): void => {
        waiting.stored(isStored, cache === null);
        tell(change, receipts, isStored);
        then();
        if (!waiting.isStoring) drained?.();
      };
      const stored = (): void => {
        const before = fault;
        if (cache !== null) fault = undefined;
        over(cache !== null);
        if (fault !== before) show();
      };
      const failed = (error: unknown): void => {
        if (!passing.has(faultKind(error))) giveUp(error);
        else if (fault === undefined && cache !== null) report((fault = asFault(error)));
        over(false);
        show();
      };
      conduct(() => cache?.commit(store, change), stored, failed);
    },
    bury: burial(store, given, env),
    drained(signal) {
      if (!waiting.isStoring) return undefined;
      return new Promise((resolve) => {
        drained = resolve;
        signal.addEventListener('abort', () => resolve(giveUp()));
      });
    },
  };
}

function burial(store: StoreName, { letters }: Cache, env: KeeperDesk['env']): Keeper['bury'] {
  return ({ opId, request, createdAt }, refusal) => {
    // Who took it back knows; one that is closed goes on in the next life.
    if (refusal.code === 'cancelled' || refusal.code === 'closed') return;
    letters?.put(store, { opId, request, refusal, createdAt, refusedAt: env.wall() });
  };
}

function tell(
  { requests }: CacheChange,
  receipts: ReadonlyMap<OpId, Kept>,
  isStored: boolean,
): void {
  for (const [opId, request] of requests) {
    if (request !== null) receipts.get(opId)?.stored(isStored);
  }
}

/** Has something read in time, and tells how that ended; gives how to wait no longer. */
function inTime(
  env: KeeperDesk['env'],
  read: () => Loaded,
  to: { arrived(kept: CachedStore | null): void; failed(error: unknown): void },
): () => void {
  let isOver = false;
  const end = (): void => {
    isOver = true;
    setAlarm(Infinity);
  };
  const failed = (error: unknown): void => {
    if (isOver) return;
    end();
    to.failed(error);
  };
  let isLate = false;
  const setAlarm = alarm(env, () => {
    if (isLate) failed(new HoldfastError('timeout', { step: 'cache' }));
    else {
      isLate = true;
      setAlarm(env.now() + patienceMs);
    }
  });
  setAlarm(env.now() + patienceMs);
  const arrived = (kept: CachedStore | null): void => {
    if (isOver) return;
    // What cannot be used of a cache is as good as what cannot be read.
    try {
      to.arrived(kept);
      end();
    } catch (error) {
      failed(error);
    }
  };
  conduct(read, arrived, failed);
  return end;
}

/** What each driver of a cache has as its `keeping`. */
export const keeping: Keeping = {
  keeper,

  async identify(settings, { deviceId, schemaVersion = null, migrate = null }) {
    const { cache, endpoint, env, principal, records, report } = settings;
    const terms = {
      realm: `${endpoint} ${principal}`,
      deviceId: settings.deviceId,
      isDeviceGiven: deviceId !== undefined,
      schemaVersion,
      migrate,
      wall: () => env.wall(),
      report,
    };
    try {
      const known = cache?.open?.(records?.terms(terms) ?? terms);
      // What knows it at once begins its stores at once, which are to have it.
      settings.deviceId = (typeof known === 'string' ? known : await known) ?? terms.deviceId;
    } catch {
      // A cache that cannot be opened says so to each store that asks it.
    }
  },

  async sendLeft({ cache, identified }, send) {
    try {
      await identified;
      for (const name of (await cache?.waiting?.()) ?? []) send(name);
    } catch {
      // A cache that cannot be used says so to each store that asks it.
    }
  },
};
