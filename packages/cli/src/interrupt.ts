import { exitCodes } from './exit-codes.ts';
import { Failure } from './failure.ts';

/**
 * Resolves with the first Ctrl-C or SIGTERM from now on. A second one ends the process at once, for whoever finds that
 * the end takes too long.
 */
export function interruption(): { readonly signal: AbortSignal; readonly stop: () => void } {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted.exit);
    controller.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const leaveParent = watchParent(() => controller.abort());
  return {
    signal: controller.signal,
    stop: () => {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
      leaveParent();
    },
  };
}

/** Does what has not been done where Ctrl-C ends it; `hint` says what is left of it. */
export async function interruptible<T>(
  hint: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, stop } = interruption();
  try {
    return await work(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new Failure('interrupted', 'It was interrupted.', { hint });
  } finally {
    stop();
  }
}

const parentCheckMs = 250;

/**
 * npm and npx run commands through a shell that dies by a signal without passing it on. Under them the end of the parent
 * is the signal; otherwise whoever stops `npm start` would leave a server behind.
 */
function watchParent(onGone: () => void): () => void {
  if (process.env['npm_lifecycle_event'] === undefined) return () => undefined;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid !== parent) onGone();
  }, parentCheckMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
