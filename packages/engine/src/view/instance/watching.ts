import { isAlike } from './equal.ts';
import type { Watch } from './watch.ts';
import type { World } from './world.ts';

/**
 * Something that a watch reads has changed: reads again, and acts if another value came out (views.md §11.2). While its
 * callback waits for its turn, it waits for the last value, and not once for each.
 */
export function checkWatch(world: World, watch: Watch): void {
  const { node, callback, hasRead, value: previous } = watch;
  const failed = (error: unknown): void => void world.fault('watch', node, error);
  let until: Promise<unknown> | null;
  try {
    until = world.readWatch(watch);
  } catch (error) {
    failed(error);
    return;
  }
  if (until !== null) {
    until.then(() => {
      if (!watch.isEnded) world.watchChanged(watch);
    }, failed);
    return;
  }
  if (!hasRead) return;
  if (callback === null) {
    if (!isAlike(watch.value, previous)) world.touch(node);
    return;
  }
  if (watch.isQueued || isAlike(watch.value, watch.told)) return;
  watch.isQueued = true;
  world.enqueue({
    node,
    where: 'watch',
    isAlone: true,
    run: (ctx) => {
      const { told, value } = watch;
      watch.isQueued = false;
      if (watch.isStopped || isAlike(value, told)) return undefined;
      watch.told = value;
      return callback(ctx, value, told);
    },
  });
}
