import { CAPVER } from '@holdfast/protocol';
import type { TabsPlug } from '../options.ts';
import { platformTabs, type TabsPlatform } from './platform.ts';
import { together, TableSeat } from './table.ts';

export type { TabsPlug } from '../options.ts';
export type { TabsChannel, TabsPlatform } from './platform.ts';

/** How tabs find each other. */
export type TabsOptions = {
  /**
   * Whose data it is, such as the id of the signed-in user: only tabs of the same origin, server and name share. The
   * connection has the rights of whichever tab leads, so a name must never be that of two people.
   */
  readonly name: string;
  /** Locks and channels; default: those of the browser. */
  readonly platform?: TabsPlatform;
};

/**
 * Lets the tabs of one origin share one connection, one cache and one outbox: pass what it gives as `tabs` to
 * `createClient`. Where the platform has no locks or no channels, each tab has a connection of its own.
 */
export function tabs(options: TabsOptions): TabsPlug {
  const { name, platform = platformTabs() } = options;
  if (typeof name !== 'string' || name === '') {
    throw new TypeError('tabs needs a "name": whose data it is that the tabs share.');
  }
  return (settings) => {
    if (platform === null) return settings;
    // What comes after the name begins with a slash: another name must not.
    const own = name.replaceAll(/[%/]/g, encodeURIComponent);
    const table = `holdfast/${CAPVER}/${settings.endpoint}/${own}`;
    return new TableSeat(settings, platform, table).settings;
  };
}

/** Loads now what a tab needs that is not alone, which is otherwise loaded when the client is made: for pages that must not wait. */
export async function preloadTabs(): Promise<void> {
  await together();
}
