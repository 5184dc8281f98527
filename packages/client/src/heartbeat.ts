import { alarm } from '@holdfast/engine/registry';
import { HoldfastError, isObject, type Path } from '@holdfast/protocol';
import type { WatchEvent } from '@holdfast/engine/replica';
import { literally } from './literal.ts';
import type { Berth } from './room.ts';
import type { News } from './uplink.ts';
import { patternOf, watchOptionsOf } from './watch.ts';

/** Sooner than this nothing is tried again. */
const retryMs = 1000;

/** What beats, and for what: as much of a lease as that takes. */
type Beating = {
  readonly key: Path;
  readonly token: number;
  renew(): Promise<void>;
};

/** For how long a lease was asked for last, and when. */
export type Term = { readonly ttl: number; readonly askedAt: number };

/**
 * Renews a lease each third of its time (stores.md §18 C22), unless others do, and aborts its signal when it is lost: when
 * the server says so, when the replica shows that it is gone or another's, or when its time is over without an answer, by
 * the clock here, from when it was asked for. Gives how to tell it of the next term, whoever has asked for that.
 */
export function beat(
  lease: Beating,
  of: Term & { readonly lost: AbortController; readonly renews: boolean },
  slot: Berth,
): (next: Term) => void {
  const { lost, renews } = of;
  const { env } = slot.room.settings;
  let { ttl } = of;
  let deadline = of.askedAt + ttl;
  let isAsking = false;
  const lose = (error: unknown): void => lost.abort(error);
  const miss = (): void => lose(new HoldfastError('not_held', { path: lease.key }));
  // An answer that comes when it is lost, or its client closed, starts nothing anew.
  const rearm = (at: number): void => {
    if (!lost.signal.aborted) setAlarm(Math.min(at, deadline));
  };
  const renew = async (): Promise<void> => {
    isAsking = true;
    try {
      await lease.renew();
    } catch (error) {
      // Nobody could be asked: until the deadline it may still be held.
      const isWeather = error instanceof HoldfastError && error.retry === 'later';
      if (isWeather) rearm(env.now() + Math.max(ttl / 3, retryMs));
      else lose(error);
    } finally {
      isAsking = false;
    }
  };
  const setAlarm = alarm(env, () => {
    if (env.now() >= deadline) miss();
    else if (isAsking || !renews) setAlarm(deadline);
    else {
      // An answer that does not come in time is none.
      setAlarm(deadline);
      void renew();
    }
  });
  const hear = (news: News): void => {
    const notice = noticeIn(news);
    const isOurs = notice?.['path'] === lease.key && notice['token'] === lease.token;
    if (isOurs) miss();
  };
  const unwatch = slot.store.subscribe({
    pattern: patternOf(literally(lease.key)),
    options: watchOptionsOf('lease', { mode: 'committed', delivery: 'latest' }, {}),
    event: (event) => (isLoss(event, lease) ? miss() : undefined),
    // The store is closed: the newest event of one path never overflows.
    ended: lose,
    isLive: true,
  });
  lost.signal.addEventListener('abort', () => {
    setAlarm(Infinity);
    slot.listeners.delete(hear);
    unwatch();
  });
  slot.listeners.add(hear);
  // Its time runs from when it was asked for, however long the answer took.
  const begin = (term: Term): void => {
    ({ ttl } = term);
    deadline = term.askedAt + ttl;
    rearm(renews ? term.askedAt + ttl / 3 : deadline);
  };
  begin(of);
  return begin;
}

/**
 * Whether somebody has let go of a lease, or it is another's now. What is gone by a resync may only be hidden from here:
 * of that the server is asked in its time.
 */
function isLoss({ op, seq, value }: WatchEvent, { token }: Beating): boolean {
  if ((seq ?? 0) <= token || op === 'resync') return false;
  return !isObject(value) || value['token'] !== token;
}

/** The lease that has ended unrenewed, if that is what the server says. */
export function noticeIn(news: News): { readonly [field: string]: unknown } | null {
  if (news.type !== 'message' || news.event !== 'lease_expired') return null;
  return isObject(news.payload) ? news.payload : null;
}
