/** Time and timers as the host's loops use them; the platform's in production, a virtual one in simulations. */
export type Clock = {
  /** Monotonic milliseconds. */
  now(): number;
  /** Epoch milliseconds. */
  wall(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
  /** Runs at the end of this turn of the event loop. */
  setImmediate(run: () => void): void;
};

/** What is to run at the end of this turn. */
const due: (() => void)[] = [];

/** A longer delay the platform takes for none at all; whoever asks for one looks at the time when it is over. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** The platform's clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  // A number names a timer as well as the object does, and asks for no cast to clear it.
  setTimeout: (run, ms) => Number(setTimeout(run, Math.min(ms, DELAY_MS_MAX)).unref()),
  clearTimeout: (handle) => {
    if (typeof handle === 'number') clearTimeout(handle);
  },
  // One immediate for all, so that what they ask of the storage together is one transaction and costs no further turn.
  setImmediate: (run) => {
    if (due.push(run) > 1) return;
    setImmediate(() => {
      for (const next of due.splice(0)) next();
    });
  },
};
