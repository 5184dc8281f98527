import { deferred } from '@holdfast/engine/registry';

/** A rejection that nobody has to handle. */
export function rejected(error: unknown): Promise<never> {
  const { promise, reject } = deferred<never>();
  reject(error);
  return promise;
}
