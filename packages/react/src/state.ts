import type { Store, StoreStatus } from '@holdfast/client';
import type { Shelved } from '@holdfast/client/shelf';
import { useEffect, useMemo, useRef } from 'react';
import type { Wanted } from './shared.ts';
import { nothing, useSignal } from './signal.ts';

/** What a hook that never suspends says (registry.md §10). */
export type HookState<T> =
  | { readonly status: 'idle' }
  | { readonly status: 'loading'; readonly previous?: T; readonly attempt: number }
  | {
      readonly status: 'ready';
      readonly value: T;
      /** Whether what is shown may be behind. */
      readonly refreshing: boolean;
      readonly error?: unknown;
    }
  | {
      readonly status: 'failed';
      readonly error: unknown;
      readonly previous?: T;
      /** Tries again now. */
      retry(): void;
    };

/** How a value that is ready is doing. */
type Health = { readonly refreshing: boolean; readonly error?: unknown };

const well: Health = { refreshing: false };

/** How the store is doing that a value is of; another object only when it does otherwise. */
export function useHealth(store: Store | undefined): Health {
  const status = useMemo(
    () => ({
      get: () => store?.status.get(),
      subscribe: (run: () => void) => (store?.status ?? nothing).subscribe(run),
      // A page that is drawn on a server, or from what it has drawn, is not behind.
      getServer: () => undefined,
    }),
    [store],
  );
  return useSignal<StoreStatus | undefined, Health>(status, healthOf, isSame);
}

function healthOf(status: StoreStatus | undefined): Health {
  const { connection, error } = status ?? { connection: 'connected' };
  return { refreshing: connection !== 'connected', ...(error !== undefined && { error }) };
}

function isSame(a: Health, b: Health): boolean {
  return a.refreshing === b.refreshing && a.error === b.error;
}

/** What a hook says of the state of a shelf: the same object until something in it changes, with the value of before. */
export function useHookState<T>(
  wanted: (Pick<Wanted<T, never>, 'key'> & { readonly shelf: { reset(key: string): void } }) | null,
  state: Shelved<T> | null,
  health: Health = well,
): HookState<T> {
  const previous = useRef<{ readonly previous: T } | null>(null);
  const { shelf, key } = wanted ?? {};
  const said = useMemo((): HookState<T> => {
    if (state === null) return { status: 'idle' };
    const before = previous.current ?? {};
    switch (state.status) {
      case 'ready':
        return { status: 'ready', value: state.value, ...health };
      case 'failed': {
        const retry = (): void => {
          if (key !== undefined) shelf?.reset(key);
        };
        return { status: 'failed', error: state.error, retry, ...before };
      }
      case 'loading':
      case 'closed':
        return { status: 'loading', attempt: 1, ...before };
    }
  }, [state, health, shelf, key]);
  useEffect(() => {
    if (said.status === 'ready') previous.current = { previous: said.value };
  }, [said]);
  return said;
}
