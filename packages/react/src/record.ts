import {
  idleState,
  type Out,
  type Params,
  type RecordBy,
  type RecordDef,
  type RecordHandle,
  type RecordNames,
  type RecordState,
  type SourceDef,
  type SourceHandle,
} from '@holdfast/client/records';
import { useMemo } from 'react';
import { useHandle, useHandleState, wantedOf } from './handles.ts';
import { type HookOptions, type Scope, useScope } from './scope.ts';
import type { Wanted } from './shared.ts';
import { nothing, useSignal } from './signal.ts';
import type { HookState } from './state.ts';

/** A record as a component sees it: its state, all of one moment, and its writes (registry.md §10). */
export type RecordView<R extends RecordDef = RecordDef> = RecordState<Out<R>> &
  Pick<RecordHandle<R>, 'key' | 'set' | 'patch' | 'increment' | 'remove' | 'mutate' | 'retry'>;

/** A source as a component sees it: what a server computes can be read only. */
export type SourceView<V = unknown> = RecordState<V> & Pick<SourceHandle, 'key' | 'retry'>;

/** A source that is asked with such params, and comes to such values. */
type SourceOf<P, V> = SourceDef<{
  readonly name: string;
  readonly params: P;
  readonly read: unknown;
  readonly result: unknown;
  readonly out: V;
}>;

/** {@link useRecord} for an application: records by their names are those of its app. */
export type UseRecord<App> = {
  <R extends RecordDef>(
    definition: R,
    params: Params<R> | null,
    options?: HookOptions,
  ): RecordView<R>;
  <P, V>(definition: SourceOf<P, V>, params: P | null, options?: HookOptions): SourceView<V>;
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
  <P, V>(
    definition: SourceOf<P, V>,
    params: P | null,
    options?: HookOptions,
  ): HookState<SourceView<V>>;
  <N extends RecordNames<App>>(
    name: N,
    params: Params<RecordBy<App, N>> | null,
    options?: HookOptions,
  ): HookState<RecordView<RecordBy<App, N>>>;
};

/**
 * A record, of a definition or of the name of one, or a source; suspends until it is known what there is, and throws where it
 * may not be read. Without params nothing is loaded, and the value is undefined. The client needs `records` among its options.
 */
export function useRecord<R extends RecordDef>(
  definition: R,
  params: Params<R> | null,
  options?: HookOptions,
): RecordView<R>;
export function useRecord<P, V>(
  definition: SourceOf<P, V>,
  params: P | null,
  options?: HookOptions,
): SourceView<V>;
export function useRecord(
  name: string,
  params: Readonly<Record<string, string>> | null,
  options?: HookOptions,
): RecordView;
export function useRecord(
  of: RecordDef | SourceDef | string,
  params: object | null,
  options: HookOptions = {},
): RecordView | SourceView {
  return useHandle(useWanted('useRecord', of, [params, options]), useRecordView);
}

/** The same without suspending. */
export function useRecordState<R extends RecordDef>(
  definition: R,
  params: Params<R> | null,
  options?: HookOptions,
): HookState<RecordView<R>>;
export function useRecordState<P, V>(
  definition: SourceOf<P, V>,
  params: P | null,
  options?: HookOptions,
): HookState<SourceView<V>>;
export function useRecordState(
  name: string,
  params: Readonly<Record<string, string>> | null,
  options?: HookOptions,
): HookState<RecordView>;
export function useRecordState(
  of: RecordDef | SourceDef | string,
  params: object | null,
  options: HookOptions = {},
): HookState<RecordView | SourceView> {
  return useHandleState(useWanted('useRecordState', of, [params, options]), useRecordView);
}

function useWanted(
  hook: string,
  of: RecordDef | SourceDef | string,
  [params, options]: readonly [object | null, HookOptions],
): readonly [Scope, Wanted<RecordHandle, RecordHandle> | null] {
  const scope = useScope(hook, options.client);
  const { client } = scope;
  const make =
    params &&
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is given is checked there
    (() => (client.record as (of: unknown, params: object) => RecordHandle)(of, params));
  return [scope, wantedOf(scope, make, options)];
}

/** The state of a record with its writes: the same object until something in it changes. */
export function useRecordView(handle: RecordHandle | undefined): RecordView {
  const state = useSignal(handle?.state ?? nothing) ?? idleState;
  const writes = useMemo(() => writesOf(handle), [handle]);
  return useMemo(() => ({ ...state, ...writes }), [state, writes]);
}

const writes = ['set', 'patch', 'increment', 'remove', 'mutate'] as const;

function writesOf(handle: RecordHandle | undefined): Omit<RecordView, keyof RecordState<unknown>> {
  const made = writes.map((name) => [
    name,
    (...given: readonly unknown[]): unknown => {
      if (handle !== undefined) return Reflect.apply(handle[name], handle, given);
      throw new TypeError('No record to write to: no params.');
    },
  ]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each of them as the handle has it
  const deeds = Object.fromEntries(made) as Pick<RecordHandle, (typeof writes)[number]>;
  return { ...deeds, key: handle?.key ?? '', retry: () => handle?.retry() };
}
