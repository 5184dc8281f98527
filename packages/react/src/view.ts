import type { Client, HoldfastError } from '@holdfast/client';
import { type Place, shelvesOf } from '@holdfast/client/shelf';
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
  /** The params that it was opened with last. */
  tried?: string;
};

// A root that nobody holds is left after a moment.
const roots = /* @__PURE__ */ shelvesOf<ViewHandle, Root>((root) => {
  root.tried = JSON.stringify(root.options.params);
  const handle = root.client.view(root.module, root.options);
  shown.add(handle.proxy);
  return {
    value: handle,
    ready: handle.proxy.$snapshot() === undefined ? handle.ready : null,
    close: () => handle.unmount(),
  };
});

/** How a root is asked for, by its place: what that was opened with first is kept up to date. */
const asked = /* @__PURE__ */ new WeakMap<object, Root>();

function useWanted(
  of: string,
  module: string,
  options: ViewHook | null,
): readonly [Scope, Wanted<ViewHandle, Root> | null, still?: Place<ViewHandle> | false] {
  const scope = useScope(of, options?.client);
  const isStill = useStillness();
  const last = useRef('');
  if (options === null) return [scope, null];
  const { client } = scope;
  const { ttl, client: _, ...view } = options;
  // Another shelf place: what is only shown is none that is joined.
  const key = `${isStill}/${module}:${view.id ?? 'default'}`;
  const text = JSON.stringify(view.params);
  const root = { client, module, options: { ...view, join: !isStill } };
  const shelf = roots(client);
  const place = shelf.place(key, root);
  const known: Root = asked.get(place) ?? root;
  // What was refused with others is asked for with these: once for a change, as others may not agree.
  const isNew = view.params && known.tried !== text && last.current !== text;
  asked.set(place, Object.assign(known, root));
  last.current = text;
  if (isNew && place.getState().status === 'failed') shelf.reset(key);
  return [scope, { shelf, key, options: root, ttl }, isStill && place];
}

/** Whether this render is a server's, or has to show what that has shown: then nobody is asked for anything (views.md §13). */
function useStillness(): boolean {
  return useSyncExternalStore(
    nothing.subscribe,
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
  const [scope, wanted, still] = useWanted('useView', module, options);
  if (still) {
    begin(scope, wanted);
    // What a server cannot show is left to the page: until then it shows the fallback.
    if (still.getState().status === 'loading') throw new Error(`${module}: no initialData`);
  }
  const handle = useShared(scope, wanted);
  useParams(handle, options);
  return handle?.proxy;
}

/** The same without suspending, with how the root is doing. */
export function useViewState(module: string, options?: ViewHook | null): ViewState<ShownView>;
export function useViewState(module: string, options: ViewHook | null = {}): ViewState<ViewProxy> {
  const [scope, wanted] = useWanted('useViewState', module, options);
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
  const params = options?.params;
  const isGiven = useRef(false);
  useEffect(() => {
    // Who mounted it may have had others, such as the component whose place this one took.
    isGiven.current ||= params !== undefined;
    // Where they are refused the old ones stay, and what is shown of them.
    if (isGiven.current) handle?.setParams(params ?? {}).catch(() => undefined);
    // By their text: the object may be another in each render.
  }, [handle, JSON.stringify(params)]);
}

function useRevalidation(handle: ViewHandle | undefined): HoldfastError | undefined {
  const [failed, setFailed] = useState<{ of: ViewHandle; error: HoldfastError } | null>(null);
  useEffect(() => {
    handle?.revalidated.catch((error: HoldfastError) => setFailed({ of: handle, error }));
  }, [handle]);
  return failed?.of === handle ? failed?.error : undefined;
}
