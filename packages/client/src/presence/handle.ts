import { HoldfastError, presenceTopic } from '@holdfast/protocol';
import { type Release, releaseOnce } from '@holdfast/engine/registry';
import type { PresencesPlug } from './plug.ts';
import { joinTopic, type Presence } from './topic.ts';
import type { PresenceHandle } from './types.ts';

/** Gives a client presence: `createClient({ presences: presences() })`. */
export function presences(): PresencesPlug {
  return {
    open: (client, definition, params) => {
      presenceTopic(definition, params);
      return new Handle(() => joinTopic(client, definition, params));
    },
  };
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
