import { conduct } from '@holdfast/engine/registry';

/** Calls what an application gave to be told by: that it throws, or rejects, ends nothing else, and least of all the process. */
export function call(callback: () => unknown, failed: (error: unknown) => void): void {
  conduct(callback, () => undefined, failed);
}
