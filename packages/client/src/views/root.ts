import { type Release, releaseOnce } from '@holdfast/engine/registry';
import type { Mirror, NodeKey, Recipe } from '@holdfast/engine/mirror';
import type { Json, JsonObject } from '@holdfast/protocol';
import { call, Cell } from '../cell.ts';
import type { Settings } from '../options.ts';
import { Events } from './events.ts';
import type { Wish } from './calls.ts';
import type { ViewHealth } from './types.ts';

/** A root that is mounted, as those see it who use it. */
export interface Mounted {
  readonly env: Settings['env'];
  readonly mirror: Mirror;
  readonly isLive: boolean;
  /** Of the server; null: not known yet. */
  readonly capver: number | null;
  /** Hears each time that it is live: whether it goes on where it was. */
  readonly lives: Set<(resumed: boolean) => void>;
  snapshot(node: NodeKey): Json | undefined;
  ask(wish: Wish, recipe?: Recipe): Promise<JsonObject>;
  /** What is shown has changed by the client's own doing. */
  changed(): void;
}

type Watched = {
  snapshot: Json | undefined;
  readonly listeners: Set<{ readonly run: () => void }>;
};

/** What stays of a root over all its mounts: its name, and who listens to it (views.md §12.6). */
export class Root {
  readonly rootId: string;
  readonly events: Events;
  readonly health: Cell<ViewHealth>;
  mount: Mounted | null = null;
  readonly #settings: Settings;
  readonly #watched = new Map<NodeKey, Watched>();
  readonly #waiters = new Set<() => void>();

  constructor(rootId: string, settings: Settings) {
    this.rootId = rootId;
    this.#settings = settings;
    this.events = new Events(settings);
    const health = { state: 'unmounted', since: settings.env.wall(), attempts: 0 } as const;
    this.health = new Cell<ViewHealth>(health, settings.report);
  }

  /** What is shown of a node; undefined: the node is not there, or the root is not mounted. */
  snapshot(node: NodeKey): Json | undefined {
    return this.mount?.snapshot(node);
  }

  /** Calls back when another snapshot of the node is shown. */
  subscribe(node: NodeKey, run: () => void): Release {
    const watched = this.#watched.get(node) ?? {
      snapshot: this.snapshot(node),
      listeners: new Set(),
    };
    const listener = { run };
    this.#watched.set(node, watched);
    watched.listeners.add(listener);
    return releaseOnce(() => {
      watched.listeners.delete(listener);
      if (watched.listeners.size === 0) this.#watched.delete(node);
    });
  }

  /** Calls back at each change of any node, and when the root is unmounted, after all who subscribed. */
  wait(run: () => void): Release {
    this.#waiters.add(run);
    return releaseOnce(() => this.#waiters.delete(run));
  }

  /** What is shown may have changed: tells those whose node shows another snapshot, each on its own. */
  changed(): void {
    const due: Watched[] = [];
    for (const [node, watched] of this.#watched) {
      const snapshot = this.snapshot(node);
      if (snapshot === watched.snapshot) continue;
      watched.snapshot = snapshot;
      due.push(watched);
    }
    for (const { listeners } of due) {
      for (const listener of Array.from(listeners)) {
        if (listeners.has(listener)) call(listener.run, this.#settings.report);
      }
    }
  }

  /** Lets those who wait look. */
  settle(): void {
    for (const run of Array.from(this.#waiters)) call(run, this.#settings.report);
  }
}
