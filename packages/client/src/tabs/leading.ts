import { alarm } from '@holdfast/engine/registry';
import type { StoreName } from '@holdfast/protocol';
import { WriteReceipt } from '../receipt.ts';
import type { TabCache } from './cache.ts';
import type { StoreHub } from './hub.ts';
import type { Peers } from './peers.ts';
import { Relay } from './relay.ts';
import type { RelayPorts } from './relay-line.ts';
import type { SeatedStore } from './seat.ts';

/** What a tab needs to lead others. */
export type LeadingPorts = Omit<RelayPorts, 'post' | 'relayed'> & {
  readonly peers: Peers;
  readonly hubs: ReadonlyMap<StoreName, StoreHub>;
  readonly cache: TabCache | null;
};

/** A request of a tab that is gone, which we send. */
type Adopted = { readonly receipt: WriteReceipt; readonly store: SeatedStore };

/** How often a leader looks whether those that it serves still live. */
const lookMs = 2000;
const lookAloneMs = 15_000;

/** What a tab does for others while it leads: serves them, and sends what those have left that are gone. */
export class Leading {
  readonly relay: Relay;
  readonly #ports: LeadingPorts;
  /** Stores of which we know what others have left, since they were joined. */
  readonly #live = new Set<StoreName>();
  readonly #setLook: (at: number) => void;
  /** What we send for tabs that are gone. */
  #adopted: Adopted[] = [];
  /** Another one each time that this tab begins to lead; null: it does not. */
  #reign: object | null = null;

  constructor(ports: LeadingPorts) {
    const { cache, env, peers } = ports;
    this.#ports = ports;
    this.#setLook = alarm(env, () => this.#lookAround());
    this.relay = new Relay({
      ...ports,
      post: (to, message) => peers.post(to, message),
      relayed: (opId) => cache?.relayed(opId),
    });
  }

  begin(): void {
    this.#reign = {};
    for (const [name, hub] of this.#ports.hubs) this.heard(name, hub);
    this.#lookAround();
  }

  /** Another tab leads. */
  resign(): void {
    this.#reign = null;
    this.relay.resign();
    // Whoever leads next takes it on, and decides about it: it stays in the cache, and we do not send it once more.
    for (const { receipt, store } of this.#adopted.filter(isOpen)) {
      this.#ports.cache?.relayed(receipt.opId);
      store.cancel(receipt.opId, true);
    }
    this.#adopted = [];
    this.#live.clear();
    this.#setLook(Infinity);
  }

  end(): void {
    this.#reign = null;
    this.relay.end();
    this.#setLook(Infinity);
  }

  /** A store of ours has heard something. */
  heard(name: StoreName, hub: StoreHub): void {
    const wasLive = this.#live.has(name);
    if (!hub.isLive) this.#live.delete(name);
    else if (!wasLive) this.#adopt(name, hub);
  }

  /** Somebody else is here, of whose end we want to know. */
  noticed(): void {
    if (this.#reign !== null) this.#setLook(this.#ports.env.now() + lookMs);
  }

  #lookAround(): void {
    this.#look().catch(this.#ports.report);
  }

  /** Lets go of tabs that are gone, and takes on what they have left. */
  async #look(): Promise<void> {
    const { env, peers } = this.#ports;
    try {
      await this.#letGo();
    } finally {
      const inMs = peers.isAny ? lookMs : lookAloneMs;
      if (this.#reign !== null) this.#setLook(env.now() + inMs);
    }
  }

  async #letGo(): Promise<void> {
    const { hubs, peers } = this.#ports;
    const gone = await peers.missing();
    if (this.#reign === null) return;
    for (const session of gone) this.relay.gone(session);
    if (gone.length > 0) for (const [name, hub] of hubs) this.#adopt(name, hub);
  }

  /** Sends what tabs that are gone have left in the outbox of a store. */
  #adopt(name: StoreName, hub: StoreHub): void {
    const { cache, report } = this.#ports;
    const { store } = hub;
    if (this.#reign === null || cache === null || store === null || !hub.isLive) return;
    this.#live.add(name);
    const reign = this.#reign;
    // What ends while the cache is read is there all the same.
    const found = cache.found(store);
    cache.orphans(name).then((requests) => {
      if (reign !== this.#reign || store !== hub.store || !hub.isLive) return;
      this.#adopted = this.#adopted.filter(isOpen);
      for (const left of requests) {
        const { opId, request, firstSentAt } = left;
        // Too old to be sent again safely; whoever opens the store next is told.
        const isForgotten = firstSentAt !== null && firstSentAt < hub.dedupeSince;
        if (isForgotten || found.includes(opId)) continue;
        const state = store.stateOf(opId);
        const isHere = state !== null;
        cache.end(name, opId, state).catch(report);
        if (!isHere || hub.serving?.list(opId) === true) cache.inherit(left);
        if (isHere) continue;
        const receipt = new WriteReceipt({ opId, request }, store);
        this.#adopted.push({ receipt, store });
        store.request(receipt, { blind: true, wasSent: firstSentAt !== null }, () => undefined);
      }
    }, report);
  }
}

function isOpen({ receipt }: Adopted): boolean {
  return receipt.outcome === null;
}
