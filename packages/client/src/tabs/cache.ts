import type { PendingRequest, ReplicaImage } from '@holdfast/engine/replica';
import {
  type Leaf,
  type OpId,
  parseStoreName,
  type Path,
  type StoreName,
} from '@holdfast/protocol';
import type { Cache, CacheChange, CachedStore, CacheSharing, Watch } from '../cache/port.ts';
import type { ClientEnv } from '../env.ts';
import type { Peers } from './peers.ts';
import type { SeatedStore } from './seat.ts';

/** What the cache of a tab needs to know of its tab. */
export type TabCachePorts = {
  readonly cache: Cache;
  readonly sharing: CacheSharing;
  readonly env: Pick<ClientEnv, 'setTimeout' | 'clearTimeout'>;
  /** Resolves when it is known whether this tab leads, or it takes too long. */
  roleKnown(): Promise<void>;
  /** The other tabs. What this one stores before they see that it is alive would pass for that of a tab that is gone. */
  readonly peers: Pick<Peers, 'session' | 'living' | 'isSeen'>;
  /** A commit was refused though nothing had been said of another leader. */
  fenced(): void;
  /** The committed state of a store of this tab; null where it has none to keep. */
  image(store: StoreName): ReplicaImage | null;
};

/** No connection waits longer for a cache. */
const lateMs = 5000;

type Requests = CacheChange['requests'];

/**
 * One tab's view of the cache that the tabs share.
 *
 * 1. Each tab stores its own requests, and the dead letters that it puts back, and takes over those of tabs that are gone.
 * 2. The leader alone stores state. What it did not load or store itself in its reign it replaces as a whole, as what is
 *    there is of another replica, at another seq.
 * 3. One that leads no more has nothing stored but its own requests, whatever it believes.
 */
export class TabCache {
  readonly #ports: TabCachePorts;
  /** Requests of tabs that were gone, as they were kept. */
  readonly #inherited = new Map<OpId, PendingRequest>();
  /** Requests that other tabs have sent through this one, which keep them. */
  readonly #relayed = new Set<OpId>();
  /** Stores whose state in the cache is this replica's. */
  #based = new Set<StoreName>();
  #reign: Promise<number> | null = null;
  /** A reign could not begin, as there was no room or no answer: that is tried again with the next change. */
  #isVain = false;

  constructor(ports: TabCachePorts) {
    this.#ports = ports;
  }

  /** What the client of this tab takes for its cache. */
  get cache(): Cache {
    const { cache } = this.#ports;
    const { letters } = cache;
    return {
      open: (terms) => cache.open?.(terms) ?? terms.deviceId,
      keeping: cache.keeping,
      load: (store, _, watch) => this.#load(store, watch),
      commit: (store, change) => this.#commit(store, change),
      clear: (store) => cache.clear(store),
      waiting: () => cache.waiting?.() ?? [],
      close: () => cache.close?.(),
      ...(letters !== undefined && { letters }),
    };
  }

  /** This tab leads from now on. */
  lead(): void {
    this.#based = new Set();
    this.#isVain = false;
    this.#reign = (async () => this.#ports.sharing.lead())();
    // Whoever needs it hears of its failure.
    this.#reign.catch(() => (this.#isVain = true));
  }

  /** This tab does not lead any more. */
  follow(): void {
    this.#reign = null;
  }

  /** A request of another tab is in our outbox, and that tab keeps it, or has left it to whoever leads next. */
  relayed(opId: OpId): void {
    this.#relayed.add(opId);
    this.#inherited.delete(opId);
  }

  /** This tab keeps what one that is gone has left, from now on. */
  inherit(request: PendingRequest): void {
    this.#inherited.set(request.opId, request);
  }

  /** Where what a tab that is gone has left is committed, its end was given to the cache while that tab kept it. */
  async end(store: StoreName, opId: OpId, state: string | null): Promise<void> {
    if (state === 'answered') await this.#ports.sharing.keep(store, [[opId, null]]);
  }

  /** What was found of tabs that are gone, as far as a store has it to send. */
  found(store: Pick<SeatedStore, 'stateOf'>): readonly OpId[] {
    const isOpen = (opId: OpId): boolean => (store.stateOf(opId) ?? 'answered') !== 'answered';
    return [...this.#inherited.keys()].filter(isOpen);
  }

  /** Another tab may have led, and decided about what was found: we send no more than what is still there. */
  review(name: StoreName, store: SeatedStore): Promise<void> | null {
    return this.found(store).length === 0 ? null : this.#review(name, store);
  }

  async #review(name: StoreName, store: SeatedStore): Promise<void> {
    const { env } = this.#ports;
    let timer: unknown;
    // Where it is not told in time we leave it all to whoever leads, who finds it there.
    const late = new Promise<readonly PendingRequest[]>((resolve) => {
      timer = env.setTimeout(() => resolve([]), lateMs);
    });
    const found = await Promise.race([this.orphans(name), late]).finally(() =>
      env.clearTimeout(timer),
    );
    const left = new Set(found.map(({ opId }) => opId));
    for (const opId of this.found(store)) {
      if (left.has(opId)) continue;
      this.relayed(opId);
      store.cancel(opId, true);
    }
  }

  async #load(store: StoreName, watch?: Watch): Promise<CachedStore | null> {
    const { cache, peers } = this.#ports;
    const [before] = await Promise.all([peers.living(), this.#ports.roleKnown()]);
    const reign = this.#reign;
    // What is kept can be read where no reign could begin, too.
    const isLed = await reign?.then(
      () => true,
      () => false,
    );
    const image = await cache.load(store, (...of) => before(holderOf(...of)), watch);
    if (isLed === true && reign === this.#reign) this.#based.add(store);
    if (image === null) return null;
    const isLeft = ({ opId, holder }: PendingRequest): boolean => !before(holderOf(opId, holder));
    // What those have left that go just now is left to whoever takes it on, and so is what others have ended since it was read.
    const left = image.outbox.some(isLeft) ? await this.orphans(store) : [];
    const opIds = new Set(left.filter(isLeft).map(({ opId }) => opId));
    return { ...image, outbox: image.outbox.flatMap((request) => this.#inherit(request, opIds)) };
  }

  /** The requests that nobody who lives will send. */
  async orphans(store: StoreName): Promise<readonly PendingRequest[]> {
    const { sharing, peers } = this.#ports;
    const holders = (await sharing.outbox(store)).map(({ opId, holder }) => holderOf(opId, holder));
    // Who has something there was seen before it was stored, so that who is not seen now is gone; and what such a one has
    // ended before it went is left no more.
    const alive = await peers.living();
    const gone = new Set(holders.filter((each) => each !== peers.session && !alive(each)));
    if (gone.size === 0) return [];
    return (await sharing.outbox(store)).filter(({ opId, holder }) =>
      gone.has(holderOf(opId, holder)),
    );
  }

  async #commit(store: StoreName, change: CacheChange): Promise<void> {
    const { sharing } = this.#ports;
    if (parseStoreName(store) === null) {
      // A reign that began meanwhile is no reason to leave it.
      if (!(await this.#commitBeside(store, change))) await this.#commitBeside(store, change);
      return;
    }
    const requests = change.requests.flatMap((each) => this.#mine(each));
    // What was found another one may end, before this is stored: it is not put back.
    const own = requests.filter(([opId, request]) => !request || !this.#inherited.has(opId));
    let left = requests;
    if (this.#isVain && this.#reign !== null) this.lead();
    const [reign, based] = [this.#reign, this.#based];
    const whole = this.#whole(store, { ...change, requests });
    await this.#ports.peers.isSeen;
    if (reign !== null && whole !== null) {
      based.add(store);
      const number = await reign.catch((error: unknown) => {
        if (requests.length === 0) throw error;
        return null;
      });
      if (number !== null) {
        const isStored = await sharing.commit(store, whole, number, own);
        if (isStored) return;
        if (reign === this.#reign) {
          this.follow();
          this.#ports.fenced();
        }
        left = own;
      }
    }
    if (left.length > 0) await sharing.keep(store, left, own);
  }

  /** What is kept beside the stores is of no replica: each tab has heard it for itself, and stores it whoever leads. */
  async #commitBeside(store: StoreName, change: CacheChange): Promise<boolean> {
    const { sharing } = this.#ports;
    return sharing.commit(store, change, await sharing.reign());
  }

  /**
   * The change, or where the cache holds another replica's state all of ours; null: there is none to keep. That nothing is
   * left, because it may be read no more, is kept whoever has stored what there was.
   */
  #whole(store: StoreName, change: CacheChange): CacheChange | null {
    const image = this.#ports.image(store);
    if (image === null) return change.replaces ? change : null;
    if (this.#based.has(store)) return change;
    const { seq, incarnation, scope, patterns, queries, maps } = image;
    const head = { seq, incarnation, scope, patterns, queries };
    return { ...change, ...head, replaces: true, entries: rows(image), maps };
  }

  #inherit(request: PendingRequest, left: ReadonlySet<OpId>): readonly PendingRequest[] {
    const { opId, holder } = request;
    if (holderOf(opId, holder) === this.#ports.peers.session) return [request];
    if (!left.has(opId)) return [];
    this.inherit(request);
    return [{ ...request, attempts: Math.max(1, request.attempts) }];
  }

  /**
   * What this tab stores of a request: its own as they are, and those that were dead letters and are put back here; of
   * others, not what they know better.
   */
  #mine([opId, request]: Requests[number]): Requests {
    const known = this.#inherited.get(opId);
    const isRelayed = this.#relayed.has(opId);
    if (request === null) {
      this.#inherited.delete(opId);
      this.#relayed.delete(opId);
    }
    if (known === undefined && isRelayed) return [];
    if (request === null) return [[opId, null]];
    if (known === undefined) return [[opId, this.#held(request)]];
    const { order, blind } = known;
    const firstSentAt = known.firstSentAt ?? request.firstSentAt;
    return [[opId, { ...request, order, blind, firstSentAt }]];
  }

  /** A dead letter's id names a page that is gone: others would take it for what that has left. */
  #held(request: PendingRequest): PendingRequest {
    const { session: holder } = this.#ports.peers;
    return holderOf(request.opId) === holder ? request : { ...request, holder };
  }
}

function* rows({ entries }: ReplicaImage): Iterable<readonly [Path, Leaf]> {
  for (const { path, value, type, revision } of entries) yield [path, { value, type, revision }];
}

/**
 * Names the tab that keeps a request: its holder, or the part of its id, `device:session:counter`, that names one; empty for ids
 * of another form.
 */
function holderOf(opId: OpId, holder = opId.split(':').at(-2) ?? ''): string {
  return holder;
}
