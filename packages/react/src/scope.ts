import type { Client } from '@holdfast/client';
import { hydrateOnce, roomOf } from '@holdfast/client/shelf';
import * as React from 'react';

const { createContext, createElement, useContext, useMemo } = React;

/** What the hooks below a provider share. */
export type Scope = {
  readonly client: Client;
  /** The store that hooks mean that name none. */
  readonly store: string | undefined;
} & Failures;

/** Where it is noted what could not be read below a provider, so that its failures can be forgotten. */
export type Failures = { readonly failed?: Set<{ reset(): void }> | undefined };

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
  readonly children?: React.ReactNode;
};

/** Gives a client to the hooks below it, which it never closes; the innermost counts (registry.md §10.1). */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- so that a client of any app will do
export function HoldfastProvider<App>({
  client,
  store,
  state,
  children,
}: ProviderProps<App>): React.ReactElement {
  const { env, report } = roomOf(client).settings;
  if (env.dev) void import('./drawing.ts').then((part) => part.forbidWrites(client), report);
  // Before the first child is drawn; another render of the same does nothing more.
  if (state !== undefined) hydrateOnce(client, state);
  // What fails below this one fails below those around it.
  const around = useNearest()?.failed;
  const scope = useMemo(
    () => ({ client, store, failed: around ?? new Set<never>() }),
    [client, store, around],
  );
  return createElement(ScopeContext.Provider, { value: scope }, children);
}

// Not by its name, which bundlers would look for in a React that has it not.
const found: unknown = Reflect.get(React, 'use');

/** React's `use`; 18 has none. */
export const use: ((what: unknown) => unknown) | null =
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what React says of it
  typeof found === 'function' ? (found as (what: unknown) => unknown) : null;

/** What the nearest provider says; where there is `use`, at any point of a render. */
const useNearest: () => Scope | null =
  use === null
    ? () => useContext(ScopeContext)
    : // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is given in this context
      () => use(ScopeContext) as Scope | null;

/**
 * What a hook needs of its surroundings that needs no client of theirs. React looks anew at whoever has read a context each
 * time that a sibling is drawn, which for a thousand of them takes longer than to draw one: where React can read it late,
 * it is read when there is something to note.
 */
export const useFailures: () => Failures =
  use === null
    ? () => useNearest() ?? {}
    : () => ({
        get failed() {
          return useNearest()?.failed;
        },
      });

/** What a hook works with: what the provider says, or the client of its own that it is given. */
export function useScope(hook: string, client?: Client): Scope {
  const scope = useNearest();
  if (client !== undefined && client !== scope?.client) {
    return { ...scope, client, store: scope?.store };
  }
  if (scope !== null) return scope;
  throw new Error(`${hook} needs a HoldfastProvider above it, or a client in its options.`);
}

/** The client of the nearest provider, or the one given. */
export function useClient<App = unknown>(override?: Client<App>): Client<App> {
  return useScope('useClient', override).client;
}

/** A function that forgets every failure of what was read below the provider: for the reset of an error boundary. */
export function useErrorReset(): () => void {
  const { failed } = useScope('useErrorReset');
  return useMemo(
    () => () => {
      for (const shelf of failed ?? []) shelf.reset();
    },
    [failed],
  );
}
