import { HoldfastError, type PresenceDefinition, presenceTopic } from '@holdfast/protocol';
import { type Release, releaseOnce, type Signal } from '@holdfast/engine/registry';
import type { Client } from '../client.ts';
import { joinPresence, type Peer, type Presence } from './topic.ts';

/**
 * A topic of a definition, for who comes and goes (records.md §16): it holds nothing by itself. While it is retained, or its
 * peers are subscribed to, this client is on the topic.
 */
export interface PresenceHandle<State> {
  /** Everybody who shows something, by `<key>/<peer>`, in the order in which they came; a new map at each change. */
  readonly peers: Signal<ReadonlyMap<string, Peer<State>>>;
  /** Throws a `TypeError` for what the schema refuses, and `closed` where the topic has never been held. */
  set(value: State): void;
  clear(): void;
  /** Counters since the topic was first held. */
  stats(): { readonly updates: number; readonly leaves: number; readonly parseErrors: number };
  /** Is on the topic until it is released; with the last release this client leaves it. */
  retain(): Release;
}

/** A handle on a presence topic. Throws a `TypeError` for parameters that do not fit. */
export function presenceHandle<State>(
  client: Client,
  definition: PresenceDefinition<State>,
  params: { readonly [name: string]: string },
): PresenceHandle<State> {
  presenceTopic(definition, params);
  return new Handle(() => joinPresence(client, definition, params));
}

const nobody: ReadonlyMap<string, never> = new Map<string, never>();
const nothing = { updates: 0, leaves: 0, parseErrors: 0 };

class Handle<State> implements PresenceHandle<State> {
  readonly peers: PresenceHandle<State>['peers'];
  readonly #join: () => Presence<State>;
  #presence: Presence<State> | null = null;
  #holds = 0;
  #stats = nothing;

  constructor(join: () => Presence<State>) {
    this.#join = join;
    this.peers = {
      get: () => this.#presence?.peers.get() ?? nobody,
      subscribe: (run) => this.#subscribe(run),
    };
  }

  set(value: State): void {
    if (this.#presence !== null) this.#presence.set(value);
    else if (this.#stats === nothing) throw new HoldfastError('closed', { what: 'presence' });
  }

  clear(): void {
    this.#presence?.clear();
  }

  stats(): ReturnType<PresenceHandle<State>['stats']> {
    const { updates, leaves, parseErrors } = this.#presence?.stats() ?? nothing;
    const before = this.#stats;
    return {
      updates: before.updates + updates,
      leaves: before.leaves + leaves,
      parseErrors: before.parseErrors + parseErrors,
    };
  }

  retain(): Release {
    const release = this.#hold();
    return releaseOnce(release);
  }

  #hold(): () => void {
    this.#presence ??= this.#join();
    this.#holds += 1;
    return () => {
      this.#holds -= 1;
      if (this.#holds > 0) return;
      this.#stats = this.stats();
      this.#presence?.leave();
      this.#presence = null;
    };
  }

  #subscribe(run: () => void): Release {
    const release = this.#hold();
    const leave = this.#presence?.peers.subscribe(run);
    return releaseOnce(() => {
      leave?.();
      release();
    });
  }
}
