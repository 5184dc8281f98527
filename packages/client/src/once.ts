import { deferred } from '@holdfast/engine/registry';
import { HoldfastError, type Json } from '@holdfast/protocol';
import { noticeIn } from './heartbeat.ts';
import type { Lease } from './lease.ts';
import { checkOptions } from './mistakes.ts';
import { orAborted } from './or-aborted.ts';
import { Part } from './part.ts';
import type { Receipt } from './receipt.ts';
import type { Berth } from './room.ts';
import type { News } from './uplink.ts';
import { patternOf, watchOptionsOf } from './watch.ts';

/** How a value was come by: it was there · computed here · awaited from another · computed here, asking nobody. */
export type Flight<T> = {
  readonly value: T;
  readonly how: 'cached' | 'computed' | 'awaited' | 'uncoordinated';
};

/** What a single flight can be told. */
export type OnceOptions = {
  /** Milliseconds after which one who computes and is not heard of is replaced; default 30 000. */
  readonly ttl?: number;
  /** Milliseconds to wait for another at most; default: `ttl` and five seconds. */
  readonly waitTimeout?: number;
  /** Gives up: whoever waits goes on in our place. */
  readonly signal?: AbortSignal;
};

/** Computes the value; the signal aborts when it is given up, or another has taken over, and when all is done. */
export type Compute<T> = (signal: AbortSignal) => T | Promise<T>;

/** What a flight needs of a handle. */
export type FlightStore = {
  readonly ready: Promise<void>;
  get(path: string): Json | undefined;
  on(
    pattern: string,
    callback: (event: { readonly op: string }) => void,
    options?: { readonly includeCurrent: boolean },
  ): () => void;
  lease(path: string, options: { readonly ttl: number }): Promise<Lease>;
  put(path: string, value: string, options: { readonly fence: Lease }): Receipt;
};

type Outing<T> = {
  readonly store: FlightStore;
  readonly slot: Berth;
  readonly key: string;
  /** Where the lease is that one who computes holds. */
  readonly lock: string;
  readonly compute: Compute<T>;
  readonly ttl: number;
  readonly signal: AbortSignal;
};

type Locked = Pick<Outing<unknown>, 'slot' | 'lock'>;

/** However wrong the clocks: a lease that has not been told to have ended is looked at again no sooner, and no later. */
const lookAgainMs = { min: 500, max: 60_000 };

/** Lets one of all clients compute the value at a key (stores.md §18 C22); at least once, not exactly once. */
export async function once<T extends Json>(
  at: { readonly store: FlightStore; readonly slot: Berth; readonly key: string },
  compute: Compute<T>,
  options: OnceOptions = {},
): Promise<Flight<T>> {
  checkOptions('once', options, { ttl: 'number', waitTimeout: 'number', signal: 'object' });
  const { ttl = 30_000, waitTimeout = ttl + 5000 } = options;
  const { env } = at.slot.room.settings;
  const signal = options.signal ?? new AbortController().signal;
  let runs = 0;
  const counted: Compute<T> = (until) => {
    runs += 1;
    return compute(until);
  };
  const outing: Outing<T> = { ...at, lock: `_dust:sf/${at.key}`, compute: counted, ttl, signal };
  let deadline = env.now() + waitTimeout;
  await orAborted(signal, at.slot.store.until());
  if (at.slot.status.get().connection === 'connected') await orAborted(signal, at.store.ready);
  for (let how: 'cached' | 'awaited' = 'cached'; ; how = 'awaited') {
    const found = peek<T>(outing);
    if (found !== null) return { ...found, how };
    signal.throwIfAborted();
    if (how === 'awaited' && env.now() >= deadline) throw late(outing);
    const flight = await attempt(outing, deadline);
    if (flight !== null) return flight;
    // To compute was not to wait. But who loses its lease again and again comes to an end.
    if (runs !== 1) continue;
    runs += 1;
    deadline = env.now() + waitTimeout;
  }
}

/** The value at the key, if it is there: a text that holds JSON. */
function peek<T>({ store, key }: Outing<T>): { readonly value: T } | null {
  const text = store.get(key);
  if (typeof text !== 'string') return null;
  try {
    const value: T = JSON.parse(text);
    return { value };
  } catch {
    return null;
  }
}

/** Computes it if nobody else does, else waits until there is something to look at; null: look. */
async function attempt<T extends Json>(
  outing: Outing<T>,
  deadline: number,
): Promise<Flight<T> | null> {
  const { promise: freed, resolve } = deferred<void>();
  // From before it is asked for: that it is let go of may be heard in one breath with the answer that it is held.
  const leave = hearLock(outing, () => resolve());
  try {
    return await seek(outing, { deadline, freed });
  } finally {
    leave();
  }
}

/** When to look again, whatever is heard; resolves when it is heard that the lock is let go of. */
type Patience = { readonly deadline: number; readonly freed: Promise<void> };

async function seek<T extends Json>(
  outing: Outing<T>,
  patience: Patience,
): Promise<Flight<T> | null> {
  const { env } = outing.slot.room.settings;
  const asked = outing.store.lease(outing.lock, { ttl: outing.ttl });
  const { promise, resolve, reject } = deferred<Lease>();
  asked.then(resolve, reject);
  // A server that can commit nothing now is asked again and again; a lease may take its time, however short the wait for others.
  const left = Math.max(outing.ttl, patience.deadline - env.now());
  const timer = env.setTimeout(() => reject(late(outing)), left);
  const lease = await orAborted(outing.signal, promise)
    .catch((error: unknown) => {
      // Who has given up lets go of what comes all the same.
      asked.then(letGo, ignore);
      return refusalOf(error);
    })
    .finally(() => env.clearTimeout(timer));
  if (!(lease instanceof HoldfastError)) return fly(outing, lease);
  if (lease.code === 'unavailable') {
    // A token that is refused for good is no lost connection: nobody may run for want of rights.
    const { connection, error } = outing.slot.room.connection.get();
    if (connection === 'failed' && error !== undefined) throw error;
    return { value: await outing.compute(outing.signal), how: 'uncoordinated' };
  }
  // Who may not read the lock is not told when it ends.
  const expiresAt = Number(lease.details['expires_at'] ?? env.wall() + outing.ttl);
  await landing(outing, { ...patience, expiresAt });
  return null;
}

function late({ key }: Pick<Outing<unknown>, 'key'>): HoldfastError {
  return new HoldfastError('timeout', { path: key });
}

/** Why there is no lease: another has it, or nobody can be asked. All else is no answer to this. */
function refusalOf(error: unknown): HoldfastError {
  const isKnown = error instanceof HoldfastError;
  if (isKnown && (error.code === 'held' || error.code === 'unavailable')) return error;
  throw error;
}

async function fly<T extends Json>(outing: Outing<T>, lease: Lease): Promise<Flight<T> | null> {
  const { compute, signal } = outing;
  // Another may have written it between our look and our lease.
  if (peek(outing) !== null) {
    await letGo(lease);
    return null;
  }
  const either = AbortSignal.any([signal, lease.signal]);
  let value: T;
  try {
    value = await compute(either);
  } catch (error) {
    // It was stopped because another has taken over: what that one writes is wanted.
    if (error === lease.signal.reason && !signal.aborted) return null;
    if (signal.aborted) await letGo(lease);
    // Who fails keeps others from failing the same way at once: the lease runs out by itself.
    else lease.stop();
    throw error;
  }
  if (signal.aborted) {
    await letGo(lease);
    signal.throwIfAborted();
  }
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) {
    await letGo(lease);
    throw new TypeError('once: what was computed is no JSON.');
  }
  const isWritten = await written(outing, { lease, text });
  if (isWritten) return { value, how: 'computed' };
  const isAlone = outing.slot.status.get().connection !== 'connected';
  return isAlone ? { value, how: 'uncoordinated' } : null;
}

/** Writes the value while the lease is held; false: it was lost meanwhile. */
async function written<T>(
  { store, key }: Outing<T>,
  { lease, text }: { readonly lease: Lease; readonly text: string },
): Promise<boolean> {
  if (lease.signal.aborted) return false;
  const write = store.put(key, text, { fence: lease });
  const lost = new Promise<false>((resolve) => {
    lease.signal.addEventListener('abort', () => {
      // First: whoever takes it back is told of that, too, and it is no failure here.
      resolve(false);
      write.cancel();
    });
  });
  try {
    if ((await Promise.race([write.committed, lost])) === false) return false;
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'fenced') return false;
    lease.stop();
    throw error;
  }
  await letGo(lease);
  return true;
}

/** Released it is gone at once, and otherwise after its time. */
async function letGo(lease: Lease): Promise<void> {
  await lease.release().catch(() => lease.stop());
}

/** Resolves when the value has come, the lease is released or has ended, or it is time to look. */
async function landing<T>(
  outing: Outing<T>,
  { deadline, expiresAt, freed }: Patience & { readonly expiresAt: number },
): Promise<void> {
  const { store, slot, key, lock, signal } = outing;
  const { env } = slot.room.settings;
  const { promise, resolve } = deferred<void>();
  const done = (): void => resolve();
  const hear = (news: News): void => {
    if (noticeIn(news)?.['path'] === lock) done();
  };
  const left = Math.max(lookAgainMs.min, Math.min(expiresAt - env.wall(), lookAgainMs.max));
  const ends = [
    store.on(key, () => (peek(outing) === null ? undefined : done()), { includeCurrent: true }),
    watchLock(outing, done),
    () => slot.listeners.delete(hear),
    slot.status.subscribe(() => (slot.opened === null ? done() : undefined)),
  ];
  const timer = env.setTimeout(done, Math.max(0, Math.min(left, deadline - env.now())));
  ends.push(() => env.clearTimeout(timer));
  slot.listeners.add(hear);
  signal.addEventListener('abort', done);
  await Promise.race([promise, freed]);
  signal.removeEventListener('abort', done);
  for (const end of ends) end();
}

/** Tells when the lock is let go of. A handle on a part reads no lock: it is wanted here for as long as it is waited for. */
function watchLock({ slot, lock }: Locked, look: () => void): () => void {
  const open = slot.store;
  const part = new Part({ scope: [lock] });
  const release = slot.want(part.globs);
  // It may have been let go of before it was seen here.
  const isNew = part.beyond(open.replica?.status().held ?? []).length > 0;
  if (isNew) void open.ready(part).then(look, ignore);
  const leave = hearLock({ slot, lock }, look);
  return () => {
    leave();
    release();
  };
}

/** Tells when the lock is let go of, where it is read. */
function hearLock({ slot, lock }: Locked, look: () => void): () => void {
  return slot.store.subscribe({
    pattern: patternOf(lock),
    options: watchOptionsOf('once', {}, {}),
    event: ({ op }) => (op === 'release' || op === 'delete' ? look() : undefined),
    ended: look,
    isLive: true,
  });
}

// What may not be seen is looked at again in its time.
function ignore(): void {}
