import type { Client } from '@holdfast/client';
import { roomOf } from '@holdfast/client/shelf';
import * as React from 'react';

type Dispatcher = { readonly useState: unknown; readonly useEffect: unknown };

type Inside = {
  readonly H?: Dispatcher | null;
  readonly ReactCurrentDispatcher?: { current?: Dispatcher | null };
};

const watched = new WeakSet<object>();

/**
 * Has writes of a client throw while a component is drawn: a render may come to nothing, or be made twice (registry.md
 * §10.3). To be called in development alone: it looks at what React keeps to itself, and finds nothing where that is another
 * one day.
 */
export function forbidWrites(client: Client): void {
  const { settings } = roomOf(client);
  if (watched.has(settings)) return;
  watched.add(settings);
  const { onWrite } = settings;
  const guarded: typeof onWrite = (write) => {
    if (isDrawing()) {
      throw new TypeError('A write while a component is drawn: make it in an effect or a handler.');
    }
    onWrite?.(write);
  };
  Object.assign(settings, { onWrite: guarded });
}

/** Of React 19 and 18: while no component is drawn, every hook is the one that complains. */
function isDrawing(): boolean {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what there is differs between the two
  const all = React as unknown as { readonly [name: string]: Inside | undefined };
  const inside =
    all['__CLIENT_INTERNALS_DO_NOT_USE_OR_WARN_USERS_THEY_CANNOT_UPGRADE'] ??
    all['__SECRET_INTERNALS_DO_NOT_USE_OR_YOU_WILL_BE_FIRED'];
  const hooks = inside?.H ?? inside?.ReactCurrentDispatcher?.current;
  // Before anything was drawn there are none.
  return hooks?.useState !== hooks?.useEffect;
}
