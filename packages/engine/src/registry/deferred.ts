import { isThenable } from '@holdfast/protocol';

/** A promise with its handles. Its rejection counts as handled: whoever ignores it causes no alarm (registry.md §4.1). */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** Makes a promise with its handles. */
export function deferred<T>(): Deferred<T> {
  let resolve: Deferred<T>['resolve'] = ignore;
  let reject: Deferred<T>['reject'] = ignore;
  const promise = new Promise<T>((...handles) => {
    [resolve, reject] = handles;
  });
  promise.catch(ignore);
  return { promise, resolve, reject };
}

const ignore = (): void => undefined;

/** Has something done that may take its time, and tells how it ended: at once where it ended at once. */
export function conduct<R>(
  deed: () => R | PromiseLike<R>,
  arrived: (result: R) => void,
  failed: (error: unknown) => void,
): void {
  let result: R | PromiseLike<R>;
  try {
    result = deed();
  } catch (error) {
    failed(error);
    return;
  }
  if (isThenable(result)) result.then(arrived, failed);
  else arrived(result);
}
