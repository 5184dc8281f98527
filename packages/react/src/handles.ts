import type { CollectionHandle, RecordHandle } from '@holdfast/client/records';
import { type Shelf, shelvesOf } from '@holdfast/client/shelf';
import type { HookOptions, Scope } from './scope.ts';
import { readyOf, useShared, useSharedState, type Wanted } from './shared.ts';
import { type HookState, useHookState } from './state.ts';

/** What components read and write through. */
export type Handle = RecordHandle | CollectionHandle;

/** Of a record: it is not known what there is. */
const unknown: ReadonlySet<string> = /* @__PURE__ */ new Set(['idle', 'loading', 'denied']);

/** Handles on records and collections, whose keys differ. */
const handles = /* @__PURE__ */ shelvesOf<Handle, Handle>((handle) => {
  const close = handle.retain();
  const state = handle.state.get();
  // A record that was made here is shown before anybody can say what there was (records.md §11.2).
  const isShown = 'value' in state && state.value !== undefined;
  const isThere = 'ready' in state ? state.ready : isShown || !unknown.has(state.status);
  return { value: handle, ready: isThere ? null : handle.ready(), close };
});

/** What a hook wants that shows what a handle is of. One that cannot be made has failed, like one that cannot be read. */
export function wantedOf<H extends Handle>(
  { client }: Scope,
  make: (() => H) | null,
  { ttl }: HookOptions,
): Wanted<H, H> | null {
  if (make === null) return null;
  let handle: H;
  try {
    handle = make();
  } catch (error) {
    const retain = (): never => {
      throw error;
    };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- more of it is not looked at
    handle = { key: String(error), retain } as unknown as H;
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is under the key of a handle is of its kind
  const shelf = handles(client) as unknown as Shelf<H, H>;
  return { shelf, key: handle.key, options: handle, ttl };
}

/** A hook on what handles are of, by the one that makes a view of a handle. */
export type UseView<H, V> = (handle: H | undefined) => V;

/** What is shown of a handle; suspends until there is something. */
export function useHandle<H extends Handle, V>(
  [scope, wanted]: readonly [Scope, Wanted<H, H> | null],
  useViewOf: UseView<H, V>,
): V {
  return useViewOf(useShared(scope, wanted));
}

/** What a state says that went wrong; errors, where it says nothing. */
type ErrorOf<V> = V extends { readonly error?: infer E extends Error } ? E : Error;

/** The same without suspending; what went wrong is of the kind that the state of a handle has. */
export function useHandleState<
  H extends Handle,
  V extends { readonly status: string; readonly connected?: boolean; readonly error?: unknown },
>(
  [scope, wanted]: readonly [Scope, Wanted<H, H> | null],
  useViewOf: UseView<H, V>,
): HookState<V, ErrorOf<V>> {
  const state = useSharedState(scope, wanted);
  const value = useViewOf(readyOf(state));
  const { status, connected, error } = value;
  // That there is nothing, or nothing to be seen, is as good an answer.
  const refreshing = !/^(ok|gone|denied)$/.test(status) || connected === false;
  const said = useHookState<V>(wanted, state, { value, refreshing, error });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a handle is waited for by its state
  return said as HookState<V, ErrorOf<V>>;
}
