import { observe, type Signal } from '@holdfast/engine/registry';

/** What Svelte calls a readable store: subscribing calls back with the value now, and then on each change. */
export type Readable<T> = {
  subscribe(run: (value: T) => void): () => void;
};

/** A signal as a store of Svelte, for `$signal` in its components; and what else keeps to that contract. */
export function toSvelte<T>(signal: Signal<T>): Readable<T> {
  return { subscribe: (run) => observe(signal, run) };
}
