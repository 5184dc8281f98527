import { RejectedError } from '@holdfast/client';
import type { Device, DeviceOptions } from '../src/device.ts';
import { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { Reader } from '../kill/reader.ts';
import { type Site, watchedLink } from '../kill/site.ts';
import { Writer } from '../kill/writer.ts';
import { guardedBy, guardedPrefix } from '../validators/leases.ts';
import {
  type ClientHistory,
  isLive,
  type MadeWrite,
  type WatchHistory,
} from '../validators/history.ts';

export const storeName = 'acme/app';

/** Who uses a device: writes, watches, takes leases, and notes all of it, life after life. */
export class Actor {
  readonly device: Device;
  readonly #world: World;
  readonly #past: ClientHistory[] = [];
  /** Writes that a crash left in the cache. */
  readonly #kept = new Set<string>();
  readonly #working = new Set<object>();
  #site: Site;
  #reader: Reader | null = null;
  #writer: Writer;

  constructor(
    world: World,
    name: string,
    {
      codec,
      losesCache,
      ...more
    }: Required<Pick<DeviceOptions, 'codec' | 'keepsIn' | 'deflates' | 'windowBytes'>> & {
      /** Whether what it loses it takes for kept. */
      readonly losesCache: boolean;
    },
  ) {
    this.#world = world;
    this.device = world.device(name, {
      codec,
      ...more,
      wrap: (link) => watchedLink(link, (seq) => this.#resynced(seq), codec),
      onCrash: ({ keepsCache }) => this.#crashed(keepsCache || losesCache),
      onRestart: () => this.#started(),
    });
    this.#site = this.#siteOf();
    this.#writer = new Writer(name, { site: this.#site, dice: new Dice(0) });
    this.#watch();
  }

  /** Whether it is still at something. */
  get isBusy(): boolean {
    return this.#working.size > 0;
  }

  write(roll: number): void {
    if (!this.device.isAsleep) this.#writer.write(new Dice(roll));
  }

  /** Notes what is shown, where that is no more than what is committed. */
  bookmark(): void {
    if (this.#site.store.status.get().pending === 0) this.#reader?.bookmark();
  }

  /** Takes the lease, writes what it fences, a while later again, and lets go of it. */
  async fenced(roll: number): Promise<void> {
    const dice = new Dice(roll);
    const { store } = this.#site;
    const work = {};
    this.#working.add(work);
    try {
      const lease = await store.lease(guardedBy, { ttl: 1 + dice.below(2000) });
      const path = `${guardedPrefix}${dice.below(3)}`;
      for (let i = 0; i < 3; i++) {
        const receipt = store.put(path, lease.token, { fence: lease });
        await this.#world.sleep(dice.below(1500));
        await receipt.committed;
      }
      await lease.release();
    } catch (error) {
      if (!(error instanceof RejectedError)) this.#world.note(this.device.name, String(error));
    } finally {
      this.#working.delete(work);
    }
  }

  /** Writes that were kept through every crash, and so must have been sent. */
  get kept(): Iterable<string> {
    return this.#kept;
  }

  histories(): readonly ClientHistory[] {
    return [...this.#past, this.#history()];
  }

  #history(): ClientHistory {
    const { made } = this.#writer.history();
    const { resumes, resyncs } = this.#site;
    const client = `${this.device.name}.${this.device.lives}`;
    const seen = this.#reader?.history();
    return {
      client,
      made,
      resumes,
      resyncs,
      watches: seen?.watches ?? [],
      bookmarks: seen?.bookmarks ?? [],
    };
  }

  #crashed(keepsCache: boolean): void {
    const history = this.#history();
    const watches = history.watches.flatMap(cutShort);
    // What was refused, the cache may not know yet: the next life sends it again.
    const made = history.made.map(forgetful);
    this.#working.clear();
    this.#past.push({ ...history, watches, made });
    if (!keepsCache) {
      this.#kept.clear();
      return;
    }
    // Those that nobody else can make impossible.
    const free = new Set(history.made.flatMap((each) => (each.isGuarded ? [] : [each.opId])));
    for (const opId of this.device.kept(storeName)) if (free.has(opId)) this.#kept.add(opId);
  }

  #started(): void {
    this.#site = this.#siteOf();
    this.#writer = new Writer(this.device.name, { site: this.#site, dice: new Dice(0) });
    this.#reader = null;
    this.#watch();
  }

  #siteOf(): Site {
    const { client } = this.device;
    const site: Site = { client, store: this.device.store(storeName), resumes: [], resyncs: [] };
    let wasConnected = true;
    client.status.subscribe(() => {
      const { connection } = client.status.get();
      const isConnected = connection === 'connected';
      if (isConnected && !wasConnected) site.resumes.push(site.store.status.get().seq);
      wasConnected = isConnected;
    });
    return site;
  }

  #watch(): void {
    const site = this.#site;
    const { store } = site;
    const attach = (): void => {
      const { seq, synced } = store.status.get();
      // The first sync is no news: who has nothing yet begins after it (C11).
      if (this.#site !== site || this.#reader !== null || (seq === 0 && !synced)) return;
      this.#reader = Reader.at(this.device.name, site);
    };
    store.ready.then(
      () => {
        attach();
        store.status.subscribe(attach);
      },
      () => undefined,
    );
  }

  #resynced(through: number): void {
    const { resyncs, store } = this.#site;
    const before = store.status.get().seq;
    if (through > before) resyncs.push([before, through]);
  }
}

/** What a subscription was told before its process ended: some of it may have been on its way. */
function cutShort(watch: WatchHistory): readonly WatchHistory[] {
  const last = watch.events.findLast(isLive);
  // What a resync tells has no seq of its own.
  const isResynced = watch.events.some(({ op }) => op === 'resync');
  if (watch.policy !== 'every' || last === undefined || isResynced) return [];
  return [{ ...watch, through: last.seq }];
}

function forgetful(write: MadeWrite): MadeWrite {
  const isSure = write.outcome === 'unknown' || 'committed' in write.outcome;
  return isSure ? write : { ...write, outcome: 'unknown' };
}
