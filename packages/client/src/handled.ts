/**
 * The promise of a deed, which whoever asked for it may leave alone: its rejection is told to who waits for it, and is no
 * alarm where nobody does.
 */
export function handled<T>(deed: () => Promise<T>): Promise<T> {
  const promise = deed();
  promise.catch(() => undefined);
  return promise;
}
