import type { Store, StoreStatus } from '@holdfast/client';
import type { Shelved } from '@holdfast/client/shelf';
import { useEffect, useMemo, useRef } from 'react';
import type { Wanted } from './shared.ts';
import { nothing, useDrawnAs, useSignal } from './signal.ts';

/** What a hook that never suspends says (registry.md §10); `E` is what may go wrong. */
export type HookState<T, E = Error> =
  | { readonly status: 'idle' }
  | { readonly status: 'loading'; readonly previous?: T; readonly attempt: number }
  | {
      readonly status: 'ready';
      readonly value: T;
      /** Whether what is shown may be behind. */
      readonly refreshing: boolean;
      readonly error?: E;
    }
  | {
      readonly status: 'failed';
      readonly error: E;
      readonly previous?: T;
      /** Tries again now. */
      retry(): void;
    };

/** How a value that is ready is doing. */
type Health = { readonly refreshing: boolean; readonly error?: unknown };

/** How the store is doing that a value is of; another object only when it does otherwise. */
export function useHealth(store: Store | undefined): Health {
  // A page that is drawn on a server, or from what it has drawn, is not behind.
  const status = useDrawnAs<StoreStatus | undefined>(store?.status ?? nothing, undefined);
  return useSignal(status, healthOf, isSame);
}

function healthOf(status: StoreStatus | undefined): Health {
  const { connection, error } = status ?? { connection: 'connected' };
  return { refreshing: connection !== 'connected', ...(error !== undefined && { error }) };
}

function isSame(a: Health, b: Health): boolean {
  return a.refreshing === b.refreshing && a.error === b.error;
}

/** What a hook says of the state of a shelf, and of what is shown: the same object until something in it changes. */
export function useHookState<T>(
  wanted: (Pick<Wanted<T, never>, 'key'> & { readonly shelf: { reset(key: string): void } }) | null,
  state: Shelved<unknown> | null,
  { value, refreshing, error }: Health & { readonly value: T | undefined },
): HookState<T> {
  const { shelf, key } = wanted ?? {};
  const last = useRef<{ readonly of: typeof shelf; readonly shown: { readonly previous: T } }>(
    null,
  );
  const said = useMemo((): HookState<T, unknown> => {
    if (state === null) return { status: 'idle' };
    // What another client has shown may be another person's.
    const before = last.current?.of === shelf ? last.current?.shown : {};
    switch (state.status) {
      case 'ready':
        return {
          status: 'ready',
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is ready is there
          value: value as T,
          refreshing,
          ...(error !== undefined && { error }),
        };
      case 'failed': {
        const retry = (): void => {
          if (key !== undefined) shelf?.reset(key);
        };
        return { status: 'failed', error: state.error, retry, ...before };
      }
      case 'loading':
        return { status: 'loading', attempt: state.attempt, ...before };
      case 'closed':
        return { status: 'loading', attempt: 1, ...before };
    }
  }, [state, value, refreshing, error, shelf, key]);
  useEffect(() => {
    if (said.status === 'ready') last.current = { of: shelf, shown: { previous: said.value } };
  }, [said, shelf]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is loaded rejects with errors
  return said as HookState<T>;
}
