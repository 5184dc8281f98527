import type { Env } from './types.ts';

type Lost = { readonly name: string; readonly env: Env };

const lost = /* @__PURE__ */ new FinalizationRegistry<Lost>(({ name, env }) => {
  env.warn?.(
    `${name}: the registry became unreachable without dispose; its values were never closed`,
  );
});

/** Warns a developer if the registry is dropped undisposed; it is never closed by that (registry.md §7). */
export function watchUnreachable(registry: object, { name, env }: Lost): void {
  if (env.dev) lost.register(registry, { name, env }, registry);
}

/** It was disposed. */
export function stopWatchingUnreachable(registry: object): void {
  lost.unregister(registry);
}
