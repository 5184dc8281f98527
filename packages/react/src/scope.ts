import type { Client } from '@holdfast/client';
import { hydrateOnce } from '@holdfast/client/shelf';
import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useContext,
  useMemo,
} from 'react';

/** What the hooks below a provider share. */
export type Scope = {
  readonly client: Client;
  /** The store that hooks mean that name none. */
  readonly store: string | undefined;
  /** What is read below the provider, so that its failures can be forgotten. */
  readonly shelves: Set<{ reset(): void }>;
};

/** What every hook takes: how long a value stays when nobody shows it, and a client that is not the provider's. */
export type HookOptions = {
  /** Milliseconds. */
  readonly ttl?: number;
  readonly client?: Client;
};

const ScopeContext = /* @__PURE__ */ createContext<Scope | null>(null);

/** Props of {@link HoldfastProvider}. */
export type ProviderProps<App = unknown> = {
  readonly client: Client<App>;
  /** The store that hooks mean that name none. */
  readonly store?: string;
  /** What `dehydrate` gave on the server, to begin with; needs the import of `@holdfast/client/ssr`. */
  readonly state?: string | object;
  readonly children?: ReactNode;
};

/** Gives a client to the hooks below it, which it never closes; the innermost counts (registry.md §10.1). */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- so that a client of any app will do
export function HoldfastProvider<App>({
  client,
  store,
  state,
  children,
}: ProviderProps<App>): ReactElement {
  // Before the first child is drawn; another render of the same does nothing more.
  if (state !== undefined) hydrateOnce(client, state);
  const scope = useMemo(() => ({ client, store, shelves: new Set<never>() }), [client, store]);
  return createElement(ScopeContext.Provider, { value: scope }, children);
}

/** What a hook works with: what the provider says, or the client of its own that it is given. */
export function useScope(hook: string, client?: Client): Scope {
  const scope = useContext(ScopeContext);
  const own = useMemo(
    () =>
      client === undefined ? null : { client, store: scope?.store, shelves: new Set<never>() },
    [client, scope?.store],
  );
  if (own !== null && own.client !== scope?.client) return own;
  if (scope !== null) return scope;
  throw new Error(`${hook} needs a HoldfastProvider above it, or a client in its options.`);
}

/** The client of the nearest provider, or the one given. */
export function useClient<App = unknown>(override?: Client<App>): Client<App> {
  return useScope('useClient', override).client;
}

/** A function that forgets every failure of what was read below the provider: for the reset of an error boundary. */
export function useErrorReset(): () => void {
  const { shelves } = useScope('useErrorReset');
  return useMemo(
    () => () => {
      for (const shelf of shelves) shelf.reset();
    },
    [shelves],
  );
}
