import { isAlike } from './equal.ts';
import type { Watch } from './watch.ts';
import type { World } from './world.ts';

/** Something that a watch reads has changed: reads again, and acts if another value came out (views.md §11.2). */
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
  const { value } = watch;
  if (!hasRead || isAlike(value, previous)) return;
  if (callback === null) {
    world.touch(node);
    return;
  }
  world.enqueue({
    node,
    where: 'watch',
    run: (ctx) => (watch.isStopped ? undefined : callback(ctx, value, previous)),
  });
}
