import type { ClientOptions, Store } from '@holdfast/client';
import { tabs, type TabsPlatform } from '@holdfast/client/tabs';
import { expect } from 'vitest';
import { platformTabs } from '../../src/tabs/platform.ts';
import type { Profile, Tab } from './profile.ts';

/** A tab that a browser may freeze: its messages still come, as in Chromium. `asked` says how often it asked for a lock. */
export type Freezable = Tab & {
  freeze(isFrozen: boolean): void;
  asked(): number;
  /** How many look whether it is frozen. */
  watched(): number;
};

export function freezable(
  profile: Profile,
  options: Partial<ClientOptions> = {},
  scope: readonly string[] = ['**'],
): Freezable {
  const real = platformTabs();
  if (real === null) throw new Error('there are no locks here');
  const told = new Set<(isFrozen: boolean) => void>();
  let asked = 0;
  const platform: TabsPlatform = {
    ...real,
    lock: (...of) => {
      asked += 1;
      return real.lock(...of);
    },
    watchFreezing: (hear) => {
      told.add(hear);
      return () => told.delete(hear);
    },
  };
  const tab = profile.sit({ tabs: tabs({ name: profile.name, platform }), ...options }, { scope });
  const freeze = (isFrozen: boolean): void => told.forEach((hear) => hear(isFrozen));
  return { ...tab, freeze, asked: () => asked, watched: () => told.size };
}

export async function ready(tab: Freezable): Promise<Freezable> {
  await tab.store.ready;
  return tab;
}

/** It thaws where what was refused would be committed, and sends nothing but what it writes from then on. */
export async function thawsEmpty({ store, freeze }: Freezable, writer: Store): Promise<void> {
  await writer.delete('taken').committed;
  freeze(false);
  await store.put('own', 1).committed;
  await expect.poll(() => writer.get('own')).toBe(1);
  expect(writer.get('taken')).toBe(undefined);
  expect(store.status.get().pending).toBe(0);
}
