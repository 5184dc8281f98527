import type { Client, Store } from '@holdfast/client';
import { isReady, whenClosed } from '@holdfast/client/signals';
import { shelvesOf } from '@holdfast/client/shelf';
import { type HookState, useHealth, useHookState } from './state.ts';
import { type HookOptions, type Scope, useScope } from './scope.ts';
import { type Wanted, readyOf, useShared, useSharedState } from './shared.ts';

type Named = { readonly client: Client; readonly name: string };

const stores = /* @__PURE__ */ shelvesOf<Store, Named>(({ client, name }, closed) => {
  const store = client.store(name);
  whenClosed(store, closed);
  return {
    value: store,
    ready: isReady(store) ? null : store.ready,
    close: () => store.close(),
  };
}, 32);

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
  const value = readyOf(state);
  return useHookState<Store>(want, state, { value, ...useHealth(value) });
}

/** The name of a store that a hook means. */
export function nameIn({ store }: Scope, hook: string, name: string | undefined): string {
  const meant = name ?? store;
  if (meant !== undefined) return meant;
  throw new Error(`${hook} needs the name of a store, or a HoldfastProvider with one.`);
}

function wanted({ client }: Scope, name: string, { ttl }: HookOptions): Wanted<Store, Named> {
  return { shelf: stores(client), key: name, options: { client, name }, ttl };
}
