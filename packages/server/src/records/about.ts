import { RejectedError } from '@holdfast/protocol';

/** Does what concerns a key, which an error of it names. */
export function about<T>(key: string, work: () => T): T {
  const named = (error: unknown): never => {
    if (!(error instanceof RejectedError)) throw error;
    throw new RejectedError(error.code, { ...error.details, key }, error.message);
  };
  try {
    const result = work();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a promise of the same
    return result instanceof Promise ? (result.catch(named) as T) : result;
  } catch (error) {
    return named(error);
  }
}
