import type { Store } from '@holdfast/client';
import { Shelf } from '@holdfast/client/shelf';
import { isReady, whenClosed } from '@holdfast/client/signals';
import { type HookState, useHealth, useHookState } from './state.ts';
import { type HookOptions, type Scope, useScope } from './scope.ts';
import { shelvesOf, useShared, useSharedState, type Wanted } from './shared.ts';

const stores = /* @__PURE__ */ shelvesOf(
  (client) =>
    new Shelf<Store, { readonly name: string }>(client, {
      // The client keeps a store, and the part that is here, for a minute after the last handle is gone.
      ttlMs: 0,
      max: 32,
      open: ({ name }, closed) => {
        const store = client.store(name);
        whenClosed(store, closed);
        return {
          value: store,
          ready: isReady(store) ? null : store.ready,
          close: () => store.close(),
        };
      },
    }),
);

/** A store as a whole, by default that of the provider: a handle that all components share, and none may close. */
export function useStore(name?: string, options: HookOptions = {}): Store {
  const scope = useScope('useStore', options.client);
  return useShared(scope, wanted(scope, nameIn(scope, 'useStore', name), options));
}

/** The same without suspending. */
export function useStoreState(name?: string, options: HookOptions = {}): HookState<Store> {
  const scope = useScope('useStoreState', options.client);
  const want = wanted(scope, nameIn(scope, 'useStoreState', name), options);
  const state = useSharedState(scope, want);
  const health = useHealth(state?.status === 'ready' ? state.value : undefined);
  return useHookState(want, state, health);
}

/** The name of a store that a hook means. */
export function nameIn({ store }: Scope, hook: string, name: string | undefined): string {
  const meant = name ?? store;
  if (meant !== undefined) return meant;
  throw new Error(`${hook} needs the name of a store, or a HoldfastProvider with one.`);
}

function wanted(
  { client }: Scope,
  name: string,
  { ttl }: HookOptions,
): Wanted<Store, { readonly name: string }> {
  return { shelf: stores(client), key: `store/${name}`, options: { name }, ttl };
}
