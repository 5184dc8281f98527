import type { Room } from '../room.ts';

/** Who calls the first code of a module: Node's loaders, and the runners of Vite and Vitest. */
const loaders = [
  /^\s+at (?:ModuleJob\w*\.run|Module\._compile)/m,
  /^\s+at (?:async )?\S*(?:runInlinedModule|instantiateModule)\b/m,
];

/**
 * Throws where a client was made as a module was loaded: on a server all requests would share it, and what one principal may
 * read would be in the page of another (registry.md §11). Known of clients with `env.dev` alone.
 */
export function assertOfRequest({ origin = '' }: Pick<Room, 'origin'>): void {
  if (!loaders.some((loader) => loader.test(origin))) return;
  throw new TypeError(
    'dehydrate: this client was made when its module was loaded, so that all requests share it. ' +
      'Make one for each request, and close it when the response has ended.',
  );
}
