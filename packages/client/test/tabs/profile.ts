import {
  type Client,
  type ClientEnv,
  type ClientOptions,
  memoryCache,
  type Store,
} from '@holdfast/client';
import { tabs, type TabsPlatform } from '@holdfast/client/tabs';
import { platformTabs } from '../../src/tabs/platform.ts';
import { Valve } from '../valve.ts';
import type { World } from '../world.ts';

/** A tab, and its way to the server. */
export type Tab = { readonly client: Client; readonly store: Store; readonly valve: Valve };

let profiles = 0;

/** The tabs of one browser: they share a device, a cache, and who sits in front of them. */
export class Profile {
  readonly #world: World;
  readonly #cache = memoryCache();
  readonly name: string;

  constructor(world: World) {
    profiles += 1;
    this.#world = world;
    this.name = `user-${profiles}`;
  }

  async open(options: Partial<ClientOptions> = {}): Promise<Tab> {
    const tab = this.sit(options);
    await tab.store.ready;
    return tab;
  }

  /** A tab that opens a part of the store. */
  part(...scope: string[]): Tab {
    return this.sit({}, { scope });
  }

  sit(options: Partial<ClientOptions> = {}, of: { scope?: readonly string[] } = {}): Tab {
    const valve = new Valve();
    const client = this.#world.client({
      tabs: tabs({ name: this.name }),
      cache: this.#cache,
      deviceId: 'browser',
      link: valve,
      ...options,
    });
    return { client, store: client.store('acme/app', of), valve };
  }
}

/** How many connections to the server each has opened. */
export function opened(...all: readonly Tab[]): readonly number[] {
  return all.map(({ valve }) => valve.opened);
}

/** The platform's locks and channels, what comes on which can be held back. */
export function hearing(
  of: (name: string, message: unknown, hear: ((message: unknown) => void) | null) => void,
): TabsPlatform {
  const real = platformTabs();
  if (real === null) throw new Error('there are no locks here');
  return {
    ...real,
    channel: (name, hear) => real.channel(name, (message) => of(name, message, hear)),
  };
}

/** For a tab that asks about no line twice: what it is not told at once it never knows. */
export const beatless: Partial<ClientEnv> = {
  setTimeout: (run, ms) => (ms === 500 ? null : setTimeout(run, ms)),
  clearTimeout: (timer) => clearTimeout(Number(timer)),
};

/** A tab that ends without a word: what it says from then on reaches nobody, and it has no locks. */
export function mayDie(): { readonly platform: TabsPlatform; readonly die: () => void } {
  const real = platformTabs();
  if (real === null) throw new Error('there are no locks here');
  const locks = new Set<() => void>();
  let isDead = false;
  return {
    die: () => {
      isDead = true;
      for (const release of locks) release();
    },
    platform: {
      ...real,
      lock: (...asked) => {
        if (isDead) return () => undefined;
        const release = real.lock(...asked);
        locks.add(release);
        return release;
      },
      channel: (name, hear) => {
        const { post, close } = real.channel(name, hear);
        return { close, post: (message) => (isDead ? undefined : post(message)) };
      },
    },
  };
}
