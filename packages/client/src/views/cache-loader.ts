import type { Keeping, ViewCacheOptions } from './cache-options.ts';
import type { Mount } from './mount.ts';

/** Shows what is kept of a mount, or tells that there is nothing; then keeps it up to date. */
export type KeepTree = (mount: Mount, keeping: Keeping) => void;

/** Keeps trees of views by these options; what does that is loaded for clients that have such. */
export function treeKeeper(options: ViewCacheOptions): KeepTree {
  let keep: ((cache: ViewCacheOptions, mount: Mount, keeping: Keeping) => void) | undefined;
  const load = (): Promise<typeof keep> =>
    import('./cache.ts').then(({ keepTree }) => (keep = keepTree));
  // What cannot be had now is tried again when there is something to keep.
  load().catch(() => undefined);
  return (mount, keeping) => {
    if (keep !== undefined) keep(options, mount, keeping);
    else {
      load().then(
        () => keep?.(options, mount, keeping),
        (error: unknown) => {
          mount.settings.report(error);
          keeping.missed();
        },
      );
    }
  };
}
