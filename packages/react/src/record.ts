import {
  idleState,
  type Out,
  type Params,
  type RecordBy,
  type RecordDef,
  type RecordHandle,
  type RecordNames,
  type RecordState,
} from '@holdfast/client/records';
import { shelvesOf } from '@holdfast/client/shelf';
import { useMemo } from 'react';
import { type HookOptions, type Scope, useScope } from './scope.ts';
import { type Wanted, readyOf, useShared, useSharedState } from './shared.ts';
import { nothing, useSignal } from './signal.ts';
import { type HookState, useHookState } from './state.ts';

/** A record as a component sees it: its state, all of one moment, and its writes (registry.md §10). */
export type RecordView<R extends RecordDef = RecordDef> = RecordState<Out<R>> &
  Pick<RecordHandle<R>, 'key' | 'set' | 'patch' | 'increment' | 'remove' | 'mutate' | 'retry'>;

/** {@link useRecord} for an application: records by their names are those of its app. */
export type UseRecord<App> = {
  <R extends RecordDef>(
    definition: R,
    params: Params<R> | null,
    options?: HookOptions,
  ): RecordView<R>;
  <N extends RecordNames<App>>(
    name: N,
    params: Params<RecordBy<App, N>> | null,
    options?: HookOptions,
  ): RecordView<RecordBy<App, N>>;
};

/** {@link useRecordState} for an application. */
export type UseRecordState<App> = {
  <R extends RecordDef>(
    definition: R,
    params: Params<R> | null,
    options?: HookOptions,
  ): HookState<RecordView<R>>;
  <N extends RecordNames<App>>(
    name: N,
    params: Params<RecordBy<App, N>> | null,
    options?: HookOptions,
  ): HookState<RecordView<RecordBy<App, N>>>;
};

const records = /* @__PURE__ */ shelvesOf<RecordHandle, RecordHandle>((handle) => {
  const close = handle.retain();
  const { status } = handle.state.get();
  const isThere = status !== 'idle' && status !== 'loading' && status !== 'denied';
  return { value: handle, ready: isThere ? null : handle.ready(), close };
});

/**
 * A record, of a definition or of the name of one; suspends until it is known what there is, and throws where it may not be
 * read. Without params nothing is loaded, and the value is undefined. The client needs `records` among its options.
 */
export function useRecord<R extends RecordDef>(
  definition: R,
  params: Params<R> | null,
  options?: HookOptions,
): RecordView<R>;
export function useRecord(
  name: string,
  params: Readonly<Record<string, string>> | null,
  options?: HookOptions,
): RecordView;
export function useRecord(
  of: RecordDef | string,
  params: Readonly<Record<string, string>> | null,
  options: HookOptions = {},
): RecordView {
  const scope = useScope('useRecord', options.client);
  return useRecordView(useShared(scope, recordWanted(scope, handleOf(scope, of, params), options)));
}

/** The same without suspending. */
export function useRecordState<R extends RecordDef>(
  definition: R,
  params: Params<R> | null,
  options?: HookOptions,
): HookState<RecordView<R>>;
export function useRecordState(
  name: string,
  params: Readonly<Record<string, string>> | null,
  options?: HookOptions,
): HookState<RecordView>;
export function useRecordState(
  of: RecordDef | string,
  params: Readonly<Record<string, string>> | null,
  options: HookOptions = {},
): HookState<RecordView> {
  const scope = useScope('useRecordState', options.client);
  const wanted = recordWanted(scope, handleOf(scope, of, params), options);
  const state = useSharedState(scope, wanted);
  const view = useRecordView(readyOf(state));
  const { status, connected, error } = view;
  const refreshing = status !== 'ok' || !connected;
  return useHookState<RecordView>(wanted, state, { value: view, refreshing, error });
}

/** What a hook wants that shows a record. */
export function recordWanted(
  { client }: Scope,
  handle: RecordHandle | null,
  { ttl }: HookOptions,
): Wanted<RecordHandle, RecordHandle> | null {
  return handle && { shelf: records(client), key: handle.key, options: handle, ttl };
}

function handleOf(
  { client }: Scope,
  of: RecordDef | string,
  params: Readonly<Record<string, string>> | null,
): RecordHandle | null {
  if (params === null) return null;
  return typeof of === 'string' ? client.record(of, params) : client.record(of, params);
}

/** The state of a record with its writes: the same object until something in it changes. */
export function useRecordView(handle: RecordHandle | undefined): RecordView {
  const state = useSignal(handle?.state ?? nothing) ?? idleState;
  const writes = useMemo(() => writesOf(handle), [handle]);
  return useMemo(() => ({ ...state, ...writes }), [state, writes]);
}

function writesOf(handle: RecordHandle | undefined): Omit<RecordView, keyof RecordState<unknown>> {
  const it = (): RecordHandle => {
    if (handle !== undefined) return handle;
    throw new TypeError('No record to write to: its hook has no params.');
  };
  return {
    key: handle?.key ?? '',
    set: (value, options) => it().set(value, options),
    patch: (fields, options) => it().patch(fields, options),
    increment: (field, by, options) => it().increment(field, by, options),
    remove: (options) => it().remove(options),
    mutate: (name, input, options) => it().mutate(name, input, options),
    retry: () => handle?.retry(),
  };
}
