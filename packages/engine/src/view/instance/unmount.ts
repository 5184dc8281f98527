import { Context } from './context.ts';
import { Layer } from './layer.ts';
import type { ViewNode } from './node.ts';
import { Scope } from './scope.ts';
import type { World } from './world.ts';

/** Lets the view clean up after a node that is about to end; it can read and write stores, not the node (views.md §11.1). */
export function unmount(world: World, node: ViewNode): void {
  const { unmount: hook } = node.view;
  if (hook === undefined || node.rendered === null) return;
  const scope = new Scope(new Layer(null), null);
  scope.finish();
  const failed = (error: unknown): void => void world.fault('unmount', node, error);
  try {
    const result = hook(new Context(world, { node, scope }));
    if (result instanceof Promise) result.catch(failed);
  } catch (error) {
    failed(error);
  }
}
