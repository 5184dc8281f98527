import { isPlain } from './equal.ts';
import type { World } from './world.ts';

/** A state, frozen all the way down where authors are to find their mistakes (views.md §11.3). */
export function frozen({ config }: Pick<World, 'config'>, state: unknown): unknown {
  if (config.dev === true) freezeDeep(state);
  return state;
}

// What is no plain data is the application's own business.
function freezeDeep(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  if (!Array.isArray(value) && !isPlain(value)) return;
  Object.freeze(value);
  Object.values(value).forEach(freezeDeep);
}
