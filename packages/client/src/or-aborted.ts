import { deferred } from '@holdfast/engine/registry';

/**
 * What is waited for, or why nobody waits for it any more. Nothing is left on the signal, which may outlive thousands of
 * waits.
 */
export function orAborted<T>(signal: AbortSignal, wanted: Promise<T>): Promise<T> {
  const { promise, resolve, reject } = deferred<T>();
  const abort = (): void => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  const stop = (): void => signal.removeEventListener('abort', abort);
  wanted.then(resolve, reject).then(stop, stop);
  return promise;
}
