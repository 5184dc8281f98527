import { asFault, cacheFault } from './rows.ts';

/** A storage that says nothing for so long is given up: a client that waited on would never send anything. */
const answerMsMax = 30_000;

/** Rejects when a storage does not answer, and says what is wrong in our words. */
export function answered<T>(asked: Promise<T>, stuck: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stuck();
      reject(cacheFault('stuck'));
    }, answerMsMax);
    asked.then(resolve, (cause: unknown) => reject(asFault(cause)));
    const stop = (): void => clearTimeout(timer);
    asked.then(stop, stop);
  });
}
