import { releaseOnce, type Signal } from '@holdfast/engine/registry';
import { type ReadonlySignal, Signal as PreactSignal, signal } from '@preact/signals-core';

const stored = /* @__PURE__ */ Object.getOwnPropertyDescriptor(PreactSignal.prototype, 'value');

/**
 * A signal of Holdfast as one of `@preact/signals-core`, for effects, computed signals and Preact's components (registry.md
 * §9). It is subscribed to only while something watches it; read by nobody who watches, it says what is so now.
 */
export function toPreact<T>(source: Signal<T>): ReadonlySignal<T> {
  let isWatched = false;
  let stop = releaseOnce(() => undefined);
  const made = signal(source.get(), {
    watched() {
      isWatched = true;
      stop = source.subscribe(refresh);
      refresh();
    },
    unwatched() {
      isWatched = false;
      stop();
    },
  });
  const refresh = (): void => stored?.set?.call(made, source.get());
  Object.defineProperty(made, 'value', {
    get: () => {
      if (!isWatched) refresh();
      const value: unknown = stored?.get?.call(made);
      return value;
    },
  });
  return made;
}

/** A signal of `@preact/signals-core` as one of Holdfast. */
export function fromPreact<T>(source: ReadonlySignal<T>): Signal<T> {
  return {
    get: () => source.peek(),
    subscribe: (listener) => {
      let isFirst = true;
      const stop = source.subscribe(() => {
        if (!isFirst) listener();
        isFirst = false;
      });
      return releaseOnce(stop);
    },
  };
}
