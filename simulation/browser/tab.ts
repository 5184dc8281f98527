import {
  type Cache,
  type Client,
  type ClientOptions,
  type Link,
  memoryCache,
} from '@holdfast/client';
import { keptIn } from '@holdfast/client/cache';
import { tabs } from '@holdfast/client/tabs';
import { Disk } from '../../packages/client/test/cache/map-rows.ts';
import type { Device, DeviceOptions } from '../src/device.ts';
import type { World } from '../src/world.ts';
import { lateCache } from '../tabs/late-cache.ts';
import { LateRows } from '../tabs/late-rows.ts';
import { Life } from '../tabs/life.ts';
import { Origin } from '../tabs/origin.ts';

/** What the tabs of a browser have in common. */
export type Browser = {
  readonly world: World;
  readonly origin: Origin;
  readonly cache: Cache;
  /** The database of each account, where there are several. */
  readonly disks: Map<string, Disk>;
};

/** A browser of a world, whose tabs lose a message now and then while the weather is bad. */
export function browserOf(world: World, isCalm: () => boolean): Browser {
  const dice = world.dice.fork();
  const origin = new Origin({
    now: () => world.now,
    later: (ms, run) => world.later(ms, run),
    delay: (ms) => dice.next() * ms,
    loses: () => !isCalm() && dice.chance(0.01),
  });
  return { world, origin, cache: memoryCache(), disks: new Map() };
}

type Seat = NonNullable<ClientOptions['tabs']>;
/** How a tab is other than most. */
type TabTerms = {
  /** Whether it has a connection and a cache of its own. */
  readonly isApart: boolean;
  /** Whose it is when it is opened, where people change; default: always the same one's. */
  readonly account?: () => string;
};
type Tenant = Pick<DeviceOptions, 'wrap' | 'onCrash' | 'onRestart'>;

const cacheMs = 20;
const closingMs = 50;

/** A tab of a browser, whose client shares a connection, a cache and an outbox with those of the others. */
export class BrowserTab {
  readonly device: Device;
  readonly #browser: Browser;
  readonly #isApart: boolean;
  readonly #account: (() => string) | null;
  readonly #tenants: Tenant[] = [];
  #life = new Life();
  #closing: Client | null = null;

  constructor(name: string, browser: Browser, more: DeviceOptions & TabTerms) {
    const { isApart, account = null, ...options } = more;
    const { world, origin, cache } = browser;
    this.#browser = browser;
    this.#isApart = isApart;
    this.#account = account;
    this.device = world.device(name, {
      ...options,
      durable: false,
      installation: 'browser',
      cache: lateCache(cache, { room: origin.room, life: () => this.#life, mostMs: cacheMs }),
      tabs: (settings) => this.#seat(settings),
      onCrash: (how) => {
        this.#life.end();
        for (const { onCrash } of this.#tenants) onCrash?.(how);
      },
      onRestart: (client) => {
        for (const { onRestart } of this.#tenants) onRestart?.(client);
      },
    });
  }

  /** Somebody uses its client, and reads along what that hears. */
  readonly take = (tenant: Tenant): Device => {
    this.#tenants.push(tenant);
    return this.device;
  };

  get isAwake(): boolean {
    return this.#life.isAwake && !this.device.isAsleep && !this.isLeft;
  }

  /** Whether its page is left, and not opened again yet. */
  get isLeft(): boolean {
    return this.#closing === this.device.client;
  }

  freeze(ms: number): void {
    const life = this.#life;
    this.device.sleep(ms);
    life.freeze();
    this.#browser.world.later(ms, () => life.thaw());
  }

  crash(): void {
    this.#browser.world.crash(this.device.name);
  }

  /** The page is left, and opened again. */
  reload(): void {
    const { client } = this.device;
    this.#closing = client;
    void client.close();
    this.#browser.world.later(closingMs, () => {
      if (this.device.client === client) this.crash();
    });
  }

  #seat(settings: Parameters<Seat>[0]): ReturnType<Seat> {
    const life = new Life();
    this.#life = life;
    if (this.#isApart) return settings;
    const platform = this.#browser.origin.platform(life);
    const account = this.#account?.() ?? null;
    const cache = account === null ? settings.cache : this.#cacheOf(account, life);
    const seated = tabs({ name: account ?? 'ada', platform })({ ...settings, cache });
    return { ...seated, link: this.#readAlong(seated.link) };
  }

  /** Each account has a database of its own. */
  #cacheOf(account: string, life: Life): Cache {
    const { disks, origin } = this.#browser;
    const disk = disks.get(account) ?? new Disk();
    disks.set(account, disk);
    return keptIn(new LateRows(disk, life, { room: origin.room, mostMs: cacheMs }));
  }

  /** What the client of the tab hears, wherever that comes from. */
  #readAlong(link: Link): Link {
    return {
      open: (url, events) => {
        const wraps = this.#tenants.flatMap(({ wrap }) => wrap ?? []);
        return wraps.reduce((inner, wrap) => wrap(inner), link).open(url, events);
      },
    };
  }
}
