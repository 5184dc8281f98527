import type { EpochMs, MonotonicMs } from '@holdfast/protocol';

/** What the platform says about the network or the page. */
export type NetworkHint = 'online' | 'offline' | 'woke';

/** What a client knows of the world; tests and simulations pass their own (design.md, Contracts between rooms). */
export interface ClientEnv {
  /** A clock that never goes back. */
  now(): MonotonicMs;
  /** The wall clock. */
  wall(): EpochMs;
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
  random(): number;
  /** A short random text that nobody else draws: sessions and devices are named by it. */
  randomId(): string;
  /** Names this installation, the same at every start where the platform can keep it. */
  deviceId(): string;
  /** Files, and the one question that no socket answers: whether the token is to blame (stores.md §15.4). */
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Calls back with hints; returns how to stop. */
  watchNetwork(hear: (hint: NetworkHint) => void): () => void;
  /** Whether warnings for developers are wanted. */
  readonly dev: boolean;
}

/** A longer delay, such as `Infinity` where somebody waits for good, platforms take for none at all. */
const delayMsMax = 2 ** 31 - 1;

/** The platform's clock, timers, randomness and network hints. */
export const platformEnv: ClientEnv = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimeout: (fn, ms) => setTimeout(fn, Math.min(ms, delayMsMax)),
  clearTimeout: (handle) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a handle comes from our own setTimeout
    clearTimeout(handle as ReturnType<typeof setTimeout>);
  },
  random: () => Math.random(),
  randomId,
  deviceId,
  fetch: (url, init) => fetch(url, init),
  watchNetwork,
  dev: false,
};

/** 64 random bits. `crypto.randomUUID` is missing on pages without TLS; this is not. */
function randomId(): string {
  const words = crypto.getRandomValues(new Uint32Array(2));
  return Array.from(words, (word) => word.toString(36).padStart(7, '0')).join('');
}

const deviceKey = 'holdfast:device';

/** Kept by the browser; elsewhere an installation is a process, unless it is named by `deviceId`. */
function deviceId(): string {
  const platform: Partial<typeof globalThis> = globalThis;
  const drawn = randomId();
  if (platform.document === undefined) return drawn;
  try {
    // A sandboxed frame, and a page that may keep nothing, throw where it is but looked at.
    const { localStorage } = platform;
    const known = localStorage?.getItem(deviceKey);
    if (known !== null && known !== undefined && /^[\w-]{8,64}$/.test(known)) return known;
    localStorage?.setItem(deviceKey, drawn);
  } catch {
    // A browser that keeps nothing gets a new name at each start.
  }
  return drawn;
}

function watchNetwork(hear: (hint: NetworkHint) => void): () => void {
  // Node has neither of these; a worker has only the first.
  const {
    addEventListener: listens,
    navigator,
    document,
  } = globalThis as Partial<typeof globalThis>;
  if (listens === undefined) return () => undefined;
  const ended = new AbortController();
  const { signal } = ended;
  addEventListener('online', () => hear('online'), { signal });
  addEventListener('offline', () => hear('offline'), { signal });
  addEventListener('pageshow', () => hear('woke'), { signal });
  document?.addEventListener('resume', () => hear('woke'), { signal });
  document?.addEventListener(
    'visibilitychange',
    () => {
      if (document.visibilityState === 'visible') hear('woke');
    },
    { signal },
  );
  if (navigator?.onLine === false) hear('offline');
  return () => ended.abort();
}
