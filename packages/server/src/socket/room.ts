import type { Quotas } from '@holdfast/engine/authority';
import type { Veil } from '@holdfast/engine/gate';
import type { Limits, RecordDef } from '@holdfast/protocol';
import type { Access, AuditLog, Principal, Rates } from '../access/index.ts';
import type { Files } from '../files/index.ts';
import type { Clock } from '../host/clock.ts';
import type { Crowd } from '../host/crowd.ts';
import type { Meters } from '../metrics/index.ts';
import type { PresenceTopics } from '../host/presence-topics.ts';
import type { StoreHost } from '../host/store-host.ts';
import type { Stores } from '../host/stores.ts';
import type { Storage } from '../storage/port.ts';
import { Fanout, type FanoutRoom } from './fanout.ts';
import type { Roots, Transfers } from '../views/index.ts';
import { Indexes } from './indexes.ts';
import type { Flusher } from './outbox.ts';
import type { Seeds } from './seeds.ts';
import type { Snapshots } from './snapshots.ts';
import { AWAY_MS } from './viewers.ts';

/** What the sockets of one server share. */
export type SocketRoom = {
  readonly storage: Storage;
  readonly stores: Stores;
  readonly access: Access;
  readonly rates: Rates;
  readonly files: Files;
  readonly audit: AuditLog;
  /** Of each store (stores.md §12.3). */
  readonly quotas?: Quotas;
  readonly limits: Limits;
  /** Whether messages are compressed for who asks for it (stores.md §7.1.1). */
  readonly deflate: boolean;
  readonly clock: Clock;
  readonly meters: Meters;
  readonly flusher: Flusher;
  readonly snapshots: Snapshots;
  /** All who are told much at a time. */
  readonly crowd: Crowd;
  readonly seeds: Seeds;
  readonly fanouts: Fanouts;
  readonly presence: PresenceTopics;
  /** What the records of a store hide from a principal; null: nothing. */
  readonly veilOf?: (principal: Principal, host: StoreHost) => Veil | null;
  readonly roots: Roots;
  readonly transfers: Transfers;
  /** A record that is declared for a store; null: there is none of that name. */
  readonly recordOf?: (host: StoreHost, name: string) => RecordDef | null;
  /** A number that nobody else of this server has. */
  readonly nextNumber: () => number;
  readonly report: (what: string, error: unknown) => void;
};

type HeldFanout = { readonly fanout: Fanout; users: number; timer: unknown };

/** The fan-out of each open store, kept while a channel uses it, and until nobody may come back to go on. */
export class Fanouts {
  readonly #byHost = new Map<StoreHost, HeldFanout>();
  /** They outlast the fan-out, as long as the store is open. */
  readonly #indexes = new WeakMap<StoreHost, Indexes>();
  #isClosed = false;

  hold(host: StoreHost, room: FanoutRoom): { readonly fanout: Fanout; release(): void } {
    let held = this.#byHost.get(host);
    if (held === undefined) {
      const indexes = this.#indexes.get(host) ?? new Indexes(host, room.crowd);
      this.#indexes.set(host, indexes);
      held = { fanout: new Fanout(host, room, indexes), users: 0, timer: null };
      this.#byHost.set(host, held);
    }
    const kept = held;
    kept.users += 1;
    return { fanout: kept.fanout, release: () => this.#release(host, kept, room) };
  }

  /** How many queries are evaluated. */
  get queries(): number {
    let queries = 0;
    for (const { fanout } of this.#byHost.values()) queries += fanout.evaluations.size;
    return queries;
  }

  /** Nobody comes back. */
  close({ clock }: Pick<FanoutRoom, 'clock'>): void {
    this.#isClosed = true;
    for (const { fanout, timer } of this.#byHost.values()) {
      clock.clearTimeout(timer);
      fanout.close();
    }
    this.#byHost.clear();
  }

  #release(host: StoreHost, held: HeldFanout, { clock }: FanoutRoom): void {
    held.users -= 1;
    if (held.users > 0) return;
    const end = (): void => {
      if (held.users > 0 || this.#byHost.get(host) !== held) return;
      held.fanout.close();
      this.#byHost.delete(host);
    };
    clock.clearTimeout(held.timer);
    const isAwaited = held.fanout.isAwaited && !host.stopped && !this.#isClosed;
    if (isAwaited) held.timer = clock.setTimeout(end, AWAY_MS);
    else end();
  }
}
