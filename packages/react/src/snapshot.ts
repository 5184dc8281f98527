import { RejectedError } from '@holdfast/client';
import type {
  AsyncReason,
  AsyncState,
  NodeSnapshot,
  NodeUploads,
  ProxyMembers,
  TypesOfProxy,
  UploadHandle,
  UploadState,
} from '@holdfast/client/views';
import { useMemo } from 'react';
import { type AnySignal, nothing, useSignal } from './signal.ts';

/** A proxy of any node. */
type AnyProxy = Pick<ProxyMembers<never>, '$subscribe' | '$health'> & { $snapshot(): unknown };

/** Tells that a proxy is of a root that has been shown: what a hook has mounted. */
export type Shown = { readonly '~shown': true };

/** The proxies that are {@link Shown}. */
export const shown: WeakSet<object> = /* @__PURE__ */ new WeakSet();

/** What a proxy shows. */
type SnapshotOfProxy<Proxy> = NodeSnapshot<TypesOfProxy<Proxy>>;

/**
 * What is shown of a node, or what is selected of it; the component is drawn again only when that is another: by `isEqual`,
 * which looks at the members of what is selected, unless it is given. Of a root that a hook has mounted there is always
 * something to show, or an error is thrown; of no view, and of a child that is gone, it is undefined.
 */
export function useSnapshot<Proxy extends AnyProxy & Shown>(view: Proxy): SnapshotOfProxy<Proxy>;
export function useSnapshot<Proxy extends AnyProxy>(
  view: Proxy | null | undefined,
): SnapshotOfProxy<Proxy> | undefined;
export function useSnapshot<Proxy extends AnyProxy & Shown, Selection>(
  view: Proxy,
  selector: (snapshot: SnapshotOfProxy<Proxy>) => Selection,
  isEqual?: (a: Selection, b: Selection) => boolean,
): Selection;
export function useSnapshot<Proxy extends AnyProxy, Selection>(
  view: Proxy | null | undefined,
  selector: (snapshot: SnapshotOfProxy<Proxy>) => Selection,
  isEqual?: (a: Selection | undefined, b: Selection | undefined) => boolean,
): Selection | undefined;
export function useSnapshot(
  view: AnyProxy | null | undefined,
  selector?: (snapshot: never) => unknown,
  isEqual?: (a: never, b: never) => boolean,
): unknown {
  const signal = useMemo<AnySignal<unknown>>(() => (view ? signalOf(view) : nothing), [view]);
  const select = (snapshot: unknown): unknown =>
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of this type it is by the overload
    selector && snapshot !== undefined ? selector(snapshot as never) : snapshot;
  return useSignal(signal, select, isEqual ?? (selector ? isShallow : Object.is));
}

function signalOf(view: AnyProxy): AnySignal<unknown> {
  let last: unknown;
  const get = (): unknown => {
    const now = view.$snapshot();
    if (now !== undefined || !shown.has(view)) return (last = now);
    const { error } = view.$health();
    if (error) throw error;
    // Between two mounts of it.
    // oxlint-disable-next-line typescript/only-throw-error -- how a component suspends
    if (last === undefined) throw next(view);
    return last;
  };
  return { get, subscribe: (listener) => view.$subscribe(listener) };
}

function isShallow(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [before, after] = [new Map(Object.entries(a)), Object.entries(b)];
  return (
    before.size === after.length &&
    after.every(([name, value]) => before.has(name) && Object.is(value, before.get(name)))
  );
}

/**
 * The data of an async value of a node: suspends while there is none yet, gives the last data while it loads again, and
 * throws a `RejectedError` where it failed, with the reason in its details.
 */
export function useAsync<Proxy extends AnyProxy, Data>(
  view: Proxy,
  select: (snapshot: SnapshotOfProxy<Proxy>) => AsyncState<Data>,
): Data;
export function useAsync<Data>(
  view: AnyProxy,
  select: (snapshot: never) => AsyncState<Data>,
): Data {
  const state = useSnapshot<AnyProxy, AsyncState<Data>>(view, select, Object.is);
  // oxlint-disable-next-line typescript/only-throw-error -- how a component suspends
  if (!state || (state.status === 'loading' && state.data === null)) throw next(view);
  if (state.status === 'failed') throw failureOf(state.error);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is there, null included
  return state.data as Data;
}

const awaited = /* @__PURE__ */ new WeakMap<object, { of: unknown; change: Promise<void> }>();

/** The next change of a node: the same promise for all who wait for it. */
function next(view: AnyProxy): Promise<void> {
  const of = view.$snapshot();
  const known = awaited.get(view);
  if (known && known.of === of) return known.change;
  const change = new Promise<void>((resolve) => {
    const off = view.$subscribe(() => {
      off();
      // What is gone again is the same nothing as before.
      awaited.delete(view);
      resolve();
    });
  });
  awaited.set(view, { of, change });
  return change;
}

const failures = /* @__PURE__ */ new WeakMap<AsyncReason, RejectedError>();

function failureOf(reason: AsyncReason): RejectedError {
  const { value } = reason;
  // Its data, or its id, where those of a refused command are.
  const { code, ...more } = typeof value === 'string' ? { code: value } : value;
  const failure = failures.get(reason) ?? new RejectedError(code, { ...more, reason });
  failures.set(reason, failure);
  return failure;
}

/** An upload of a node: its state, and what can be done with it. Of no view it is undefined. */
export type UploadView = UploadState & {
  readonly [Name in 'select' | 'start' | 'cancel' | 'reset']: UploadHandle[Name];
};

/** The state and the methods of an upload (views.md §12.11). */
export function useUpload<Proxy extends AnyProxy & Shown>(
  view: Proxy,
  name: keyof NodeUploads<TypesOfProxy<Proxy>> & string,
): UploadView;
export function useUpload<Proxy extends AnyProxy>(
  view: Proxy | null | undefined,
  name: keyof NodeUploads<TypesOfProxy<Proxy>> & string,
): UploadView | undefined;
export function useUpload(view: AnyProxy | null | undefined, name: string): UploadView | undefined {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- by the app's type there is an upload of that name
  const state = useSnapshot(
    view,
    (snapshot) => (snapshot as { [n: string]: UploadState })[name],
    Object.is,
  );
  return useMemo(() => {
    if (!state || !view) return undefined;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
    return { ...(view[name as never] as UploadHandle), ...state };
  }, [view, name, state]);
}
