import type { Client } from '@holdfast/client';
import {
  type Peer,
  type PresenceDefinition,
  type PresenceHandle,
  presenceTopic,
} from '@holdfast/client/presence';
import { shelvesOf } from '@holdfast/client/shelf';
import { useEffect, useMemo, useState } from 'react';
import { type HookOptions, useScope } from './scope.ts';
import { readyOf } from './shared.ts';
import { nothing, useSignal } from './signal.ts';

/** Who is there, and what this client shows of itself. */
export type PresenceView<State> = {
  /** As {@link PresenceHandle.peers}; the same map until something in it changes. */
  readonly peers: ReadonlyMap<string, Peer<State>>;
  readonly set: (value: State) => void;
  readonly clear: () => void;
};

type Params = Readonly<Record<string, string>>;

/** The topic to join. */
type Topic = {
  readonly client: Client;
  readonly definition: PresenceDefinition<unknown>;
  readonly params: Params;
};

const topics = /* @__PURE__ */ shelvesOf<PresenceHandle<unknown>, Topic>(
  ({ client, definition, params }) => {
    const handle = client.presence(definition, params);
    return { value: handle, ready: null, close: handle.retain() };
  },
  100,
);

/** What a component has joined. */
type Joined = {
  readonly shelf: object;
  readonly key: string;
  readonly handle: PresenceHandle<unknown> | undefined;
};

const nobody: ReadonlyMap<string, Peer<unknown>> = new Map<string, Peer<unknown>>();

/**
 * Joins a presence topic while the component is mounted (records.md §16); needs `presences` among the options of the client.
 * Its components share one channel, and the last to go leaves it. Nothing is joined by a render, so that a server shows
 * nobody.
 */
export function usePresence<State>(
  definition: PresenceDefinition<State>,
  params: Params,
  options: HookOptions = {},
): PresenceView<State> {
  const { client } = useScope('usePresence', options.client);
  const shelf = topics(client);
  const key = `${definition.name} ${presenceTopic(definition, params)}`;
  const { ttl } = options;
  const [joined, setJoined] = useState<Joined>();
  // What it is joined with is not looked at: of the same topic it is the same.
  const topic: Topic = { client, definition, params };
  useEffect(() => {
    const release = shelf.retain(key, topic, ttl);
    setJoined({ shelf, key, handle: readyOf(shelf.place(key, topic).getState()) });
    return release;
  }, [shelf, key, ttl]);
  // Who was in the room before is not in this one.
  const handle = joined?.shelf === shelf && joined.key === key ? joined.handle : undefined;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the definition's schema has seen to it
  const peers = (useSignal(handle?.peers ?? nothing) ?? nobody) as PresenceView<State>['peers'];
  const deeds = useMemo(() => {
    const own = (): PresenceHandle<unknown> => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nobody has to wait for a topic
      const asked = (): PresenceHandle<unknown> => shelf.get(key, topic) as PresenceHandle<unknown>;
      return readyOf(shelf.place(key, topic).getState()) ?? asked();
    };
    return {
      set: (value: State) => own().set(value),
      clear: () => own().clear(),
    };
  }, [shelf, key]);
  return useMemo(() => ({ peers, ...deeds }), [peers, deeds]);
}
