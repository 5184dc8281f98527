import type { Principal, ServerOptions } from '@holdfast/server';
import { insider } from '../collections/card.ts';
import type { Device, DeviceOptions } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { browserOf, BrowserTab } from './tab.ts';

/** Where somebody does something: at a device of its own, or in a tab. */
export type Seat = {
  readonly take: (tenant: Pick<DeviceOptions, 'onCrash' | 'onRestart'>) => Device;
  /** Whether others send what it has left behind: who sits there next does not see whether that is still to come. */
  readonly isShared: boolean;
  /** Whether its code runs. */
  readonly isAwake: () => boolean;
  /** Lets time pass; where its code does not run then, until it does. */
  readonly pause: (ms: number) => Promise<void>;
};

/** What happens to a tab while somebody works in it. */
export type TabDeed = (typeof tabDeeds)[number];

const tabDeeds = ['freeze', 'reload'] as const;
const tabNames: readonly string[] = ['tab1', 'tab2', 'tab3'];
/** Who sits in front of all tabs. */
const user = 'ada';
const freezeMs = 6000;
const lookMs = 100;

/** The seat of somebody at a device of its own. */
export function seatAt(world: World, name: string): Seat {
  return {
    take: (tenant) => world.device(name, tenant),
    isShared: false,
    isAwake: () => !world.device(name).isAsleep,
    pause: (ms) => world.sleep(ms),
  };
}

/** Whether its page is being left: its client does nothing more. */
export function isClosed({ client }: Device): boolean {
  return client.status.get().connection === 'closed';
}

/** Whether it happens to a tab. */
export function isTabDeed(does: string): does is TabDeed {
  return tabDeeds.some((each) => each === does);
}

/** The tabs of one browser, of which one has the connection, and somebody elsewhere; tokens end. */
export class TabRow {
  readonly people: readonly string[] = [...tabNames, 'ann'];
  readonly #tabs = new Map<string, BrowserTab>();
  #world: World | null = null;

  /** What worlds with such tabs are like. */
  get setting(): {
    readonly people: number;
    readonly tokenMs: number;
    readonly server: Pick<ServerOptions, 'authenticate'>;
  } {
    const { people } = this;
    return {
      people: people.length,
      tokenMs: 11_000,
      server: { authenticate: async ({ token }) => this.#principal(token) },
    };
  }

  /** Another world; nothing is lost between its tabs from a time on. */
  begin(world: World, calmMs: number): void {
    this.#world = world;
    const browser = browserOf(world, () => world.now >= calmMs);
    for (const name of tabNames) {
      this.#tabs.set(name, new BrowserTab(name, browser, { isApart: false }));
    }
  }

  seat(world: World, name: string): Seat {
    const tab = this.#tabs.get(name);
    if (tab === undefined) return seatAt(world, name);
    return {
      isShared: true,
      take: tab.take,
      isAwake: () => tab.isAwake,
      pause: async (ms) => {
        await world.sleep(ms);
        while (!tab.isAwake) await world.sleep(lookMs);
      },
    };
  }

  act(who: number, does: TabDeed, dice: Dice): void {
    const tab = this.#tabs.get(this.people[who] ?? '');
    if (tab?.isAwake !== true) return;
    if (does === 'freeze') tab.freeze(dice.below(freezeMs));
    else tab.reload();
  }

  #principal(token: string | null): Principal | null {
    if (this.#world?.site.admits(token) !== true) return null;
    const name = token?.replace(/\.\d+$/, '') ?? '';
    return { ...insider, subject: tabNames.includes(name) ? user : name };
  }
}
