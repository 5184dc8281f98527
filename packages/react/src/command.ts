import type {
  DispatchOptions,
  NodeCommands,
  NodeEvents,
  PayloadOf,
  ReplyOf,
  TypesOfProxy,
  ViewProxy,
} from '@holdfast/client/views';
import { useCallback, useEffect, useInsertionEffect, useMemo, useRef, useState } from 'react';

/** A command as a component uses it: how to send it, and what became of the last one sent. */
export type Command<Payload, Reply> = {
  /** Sends it; the same function in every render. */
  readonly dispatch: (
    ...payload: {} extends Payload ? readonly [payload?: Payload] : readonly [payload: Payload]
  ) => Promise<Reply>;
  readonly isPending: boolean;
  readonly data: Reply | undefined;
  readonly error: unknown;
  /** Forgets what became of those that were sent. */
  readonly reset: () => void;
};

type Outcome = { readonly isPending: boolean; readonly data: unknown; readonly error: unknown };

const idle: Outcome = { isPending: false, data: undefined, error: undefined };

/** What was sent last, and what became of it. */
type Sent = { readonly view?: object; readonly name?: string; readonly outcome: Outcome };

/**
 * A command of a node (views.md §13). Of several that overlap only the last one sent is told of, and of another node or
 * command than the one it was sent to nothing.
 */
export function useCommand<
  Proxy extends object,
  Name extends keyof NodeCommands<TypesOfProxy<Proxy>> & string,
>(
  view: Proxy | null | undefined,
  name: Name,
  options?: DispatchOptions<TypesOfProxy<Proxy>>,
): Command<PayloadOf<TypesOfProxy<Proxy>, Name>, ReplyOf<TypesOfProxy<Proxy>, Name>>;
export function useCommand(
  view: ViewProxy | null | undefined,
  name: string,
  options?: DispatchOptions,
): unknown {
  const [last, setLast] = useState<Sent>({ outcome: idle });
  const latest = useRef({ view, name, options, call: 0 });
  // Before anything else that follows a commit, and without a word on a server.
  useInsertionEffect(() => {
    Object.assign(latest.current, { view, name, options });
  });
  const dispatch = useCallback((payload?: unknown): Promise<unknown> => {
    const now = latest.current;
    now.call += 1;
    const { call } = now;
    const { view: proxy, name: sentAs } = now;
    if (!proxy) return Promise.reject(new TypeError(`No view for ${sentAs}`));
    const tell = (outcome: Outcome): void => {
      if (now.call === call) setLast({ view: proxy, name: sentAs, outcome });
    };
    tell({ ...idle, isPending: true });
    const sent = proxy.$dispatch(sentAs, payload, now.options);
    sent.then(
      (data) => tell({ ...idle, data }),
      (error: unknown) => tell({ ...idle, error }),
    );
    return sent;
  }, []);
  const reset = useCallback((): void => {
    latest.current.call += 1;
    setLast({ outcome: idle });
  }, []);
  const outcome = last.view === view && last.name === name ? last.outcome : idle;
  return useMemo(() => ({ ...outcome, dispatch, reset }), [outcome, dispatch, reset]);
}

/** Calls back with each event of a node, by the callback of the last render (views.md §12.8). */
export function useEvent<
  Proxy extends object,
  Name extends keyof NodeEvents<TypesOfProxy<Proxy>> & string,
>(
  view: Proxy | null | undefined,
  name: Name,
  callback: (payload: NodeEvents<TypesOfProxy<Proxy>>[Name]) => void,
): void;
export function useEvent(
  view: ViewProxy | null | undefined,
  name: string,
  callback: (payload: unknown) => void,
): void {
  const latest = useRef(callback);
  useInsertionEffect(() => {
    latest.current = callback;
  });
  useEffect(() => {
    const hear = (payload: unknown): void => latest.current(payload);
    return view?.$on(name, hear);
  }, [view, name]);
}
