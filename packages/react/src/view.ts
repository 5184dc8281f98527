import type { Client, HoldfastError } from '@holdfast/client';
import { shelvesOf } from '@holdfast/client/shelf';
import type {
  AnyNode,
  Modules,
  ParamsBy,
  RootBy,
  ViewHandle,
  ViewHealth,
  ViewOptions,
  ViewProxy,
} from '@holdfast/client/views';
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { type HookOptions, type Scope, useScope } from './scope.ts';
import { begin, readyOf, useShared, useSharedState, type Wanted } from './shared.ts';
import { nothing, useSignal } from './signal.ts';
import { type Shown, shown } from './snapshot.ts';
import { type HookState, useHookState } from './state.ts';

/** How a hook mounts a view (views.md §12.2). */
export type ViewHook<Params = { readonly [name: string]: unknown }> = Omit<
  ViewOptions<Params>,
  'signal'
> &
  HookOptions;

/** What `useViewState` says: a {@link HookState}, and how the root is doing. */
export type ViewState<Proxy> = HookState<Proxy> & {
  /** Undefined until there is something to show. */
  readonly health: ViewHealth | undefined;
  /** Why what is shown from the cache could not be brought up to date. */
  readonly revalidationError: HoldfastError | undefined;
};

/** The options of a hook, which may be left out where the view needs no params; null: none is mounted. */
export type ViewHookArgs<Params> = {} extends Params
  ? readonly [options?: ViewHook<Params> | null]
  : readonly [options: ViewHook<Params> | null];

/** The proxy of a root that is there: `useSnapshot` of it is never undefined. */
export type ShownView<Types = AnyNode> = ViewProxy<Types> & Shown;

/** {@link useView} for the views of an app. */
export type UseView<App> = {
  <M extends Modules<App>>(module: M, options: null): ViewProxy<RootBy<App, M>> | undefined;
  <M extends Modules<App>>(
    module: M,
    ...options: {} extends ParamsBy<App, M>
      ? readonly [options?: ViewHook<ParamsBy<App, M>>]
      : readonly [options: ViewHook<ParamsBy<App, M>>]
  ): ShownView<RootBy<App, M>>;
  <M extends Modules<App>>(
    module: M,
    ...options: ViewHookArgs<ParamsBy<App, M>>
  ): ShownView<RootBy<App, M>> | undefined;
};

/** {@link useViewState} for the views of an app. */
export type UseViewState<App> = <M extends Modules<App>>(
  module: M,
  ...options: ViewHookArgs<ParamsBy<App, M>>
) => ViewState<ShownView<RootBy<App, M>>>;

type Root = {
  readonly client: Client;
  readonly module: string;
  readonly options: Omit<ViewHook, keyof HookOptions>;
};

// A root that nobody holds is left after a moment.
const roots = /* @__PURE__ */ shelvesOf<ViewHandle, Root>(({ client, module, options }) => {
  const handle = client.view(module, options);
  shown.add(handle.proxy);
  return {
    value: handle,
    ready: handle.proxy.$snapshot() === undefined ? handle.ready : null,
    close: () => handle.unmount(),
  };
});

function wantedOf(
  { client }: Scope,
  { module, options, isStill }: { module: string; options: ViewHook | null; isStill: boolean },
): Wanted<ViewHandle, Root> | null {
  if (options === null) return null;
  const { ttl, client: _, ...view } = options;
  // Another shelf place: what is only shown is none that is joined.
  const key = `${isStill}/${module}:${view.id ?? 'default'}`;
  const how = { ...view, join: !isStill };
  return { shelf: roots(client), key, options: { client, module, options: how }, ttl };
}

const never = (): (() => void) => () => undefined;

/** Whether this render is a server's, or has to show what that has shown: then nobody is asked for anything (views.md §13). */
function useStillness(): boolean {
  return useSyncExternalStore(
    never,
    () => false,
    () => true,
  );
}

/**
 * The proxy of a mounted view; suspends until there is something to show, throws why there never will be. Of what is in
 * it only what is read by `useSnapshot` draws the component again. Other params of the same call are set in the mount.
 */
export function useView(module: string, options?: ViewHook): ShownView;
export function useView(module: string, options: ViewHook | null): ShownView | undefined;
export function useView(module: string, options: ViewHook | null = {}): ViewProxy | undefined {
  const scope = useScope('useView', options?.client);
  const isStill = useStillness();
  const wanted = wantedOf(scope, { module, options, isStill });
  if (isStill && wanted !== null) assertShown(scope, wanted);
  const handle = useShared(scope, wanted);
  useParams(handle, options);
  return handle?.proxy;
}

/** What a server cannot show is left to the page: until then it shows the fallback. */
function assertShown(scope: Scope, wanted: Wanted<ViewHandle, Root>): void {
  begin(scope, wanted);
  const { status } = wanted.shelf.place(wanted.key, wanted.options).getState();
  if (status === 'loading') throw new Error(`${wanted.options.module}: no initialData`);
}

/** The same without suspending, with how the root is doing. */
export function useViewState(module: string, options?: ViewHook | null): ViewState<ShownView>;
export function useViewState(module: string, options: ViewHook | null = {}): ViewState<ViewProxy> {
  const scope = useScope('useViewState', options?.client);
  const isStill = useStillness();
  const wanted = wantedOf(scope, { module, options, isStill });
  const state = useSharedState(scope, wanted);
  const handle = readyOf(state);
  useParams(handle, options);
  const health = useSignal<ViewHealth | undefined>(handle?.health ?? nothing);
  const revalidationError = useRevalidation(handle);
  const refreshing = health ? health.state !== 'live' : false;
  const told = { value: handle?.proxy, refreshing, error: health?.error };
  const said = useHookState<ViewProxy>(wanted, state, told);
  return useMemo(() => ({ ...said, health, revalidationError }), [said, health, revalidationError]);
}

/** Sets other params than those of the last commit: the mount is the same (views.md §13). */
function useParams(handle: ViewHandle | undefined, options: ViewHook | null): void {
  const params = options?.params ?? {};
  const text = JSON.stringify(params);
  const before = useRef<{ readonly handle: ViewHandle; readonly text: string }>(undefined);
  useEffect(() => {
    const last = before.current;
    before.current = handle && { handle, text };
    if (!handle || (options?.params === undefined && last?.handle !== handle)) return;
    // Who mounted it may have had others, such as the component whose place this one took.
    if (last?.handle === handle && last.text === text) return;
    // Where they are refused the old ones stay, and what is shown of them.
    handle.setParams(params).catch(() => undefined);
    // By their text: the object may be another in each render.
  }, [handle, text]);
}

function useRevalidation(handle: ViewHandle | undefined): HoldfastError | undefined {
  const [failed, setFailed] = useState<{ of: ViewHandle; error: HoldfastError } | null>(null);
  useEffect(() => {
    handle?.revalidated.catch((error: HoldfastError) => setFailed({ of: handle, error }));
  }, [handle]);
  return failed?.of === handle ? failed?.error : undefined;
}
