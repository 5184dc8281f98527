import type { Clock } from './host/clock.ts';
import type { PresenceTopics } from './host/presence-topics.ts';
import type { Stores } from './host/stores.ts';
import type { ServerFigures } from './http/index.ts';
import type { Meters } from './metrics/index.ts';
import type { Sockets } from './socket/sockets.ts';
import type { Webhooks } from './webhooks/index.ts';

/** The parts of a server that tell what they have open. */
export type Parts = {
  readonly stores: Stores;
  readonly sockets: Sockets;
  readonly presence: PresenceTopics;
  readonly webhooks: Webhooks;
  readonly meters: Meters;
  readonly clock: Clock;
};

/** Adds what the parts of a server tell at a scrape (stores.md §19.2). */
export function addGauges(
  { stores, sockets, presence, webhooks, meters }: Parts,
  version: string,
): void {
  const { lag } = meters;
  const sum = (of: 'queued' | 'leaves' | 'blocked'): number => {
    let total = 0;
    for (const host of stores.open()) total += host.describe()[of];
    return total;
  };
  meters.gauge('holdfast_info', 'The version of the server.', {
    read: () => ({ [version]: 1 }),
    label: 'version',
  });
  meters.gauge('holdfast_sockets', 'Open sockets.', { read: () => sockets.size });
  meters.gauge('holdfast_channels', 'Joined channels.', { read: () => sockets.channels() });
  meters.gauge('holdfast_unsent_bytes', 'Bytes that wait for sockets to take them.', {
    read: () => sockets.unsentBytes,
  });
  meters.gauge('holdfast_open_stores', 'Stores that are open.', {
    read: () => stores.open().size,
  });
  meters.gauge('holdfast_queued_writes', 'Writes that wait for their turn.', {
    read: () => sum('queued'),
  });
  meters.gauge('holdfast_blocked_channels', 'Channels that a refusal holds up.', {
    read: () => sum('blocked'),
  });
  meters.gauge('holdfast_leaves', 'Leaves of the open stores.', { read: () => sum('leaves') });
  meters.gauge(
    'holdfast_lag_ops',
    'Ops that clients lack: what is unsent to channels in the log, and what came since a client was asked.',
    {
      read: () => lag.ops,
    },
  );
  meters.gauge('holdfast_lag_ops_slope', 'Ops per second by which that grew in the last minute.', {
    read: () => lag.slope,
  });
  meters.gauge('holdfast_webhooks', 'Active webhooks.', { read: () => webhooks.figures().active });
  meters.gauge('holdfast_webhook_lag_ops', 'Ops that active webhooks have not come to yet.', {
    read: () => webhooks.figures().lag,
  });
  meters.gauge('holdfast_presence', 'Presence topics of this node, and who is in them here.', {
    read: () => presence.counts(),
  });
}

/** The same for administrators, with the open stores one by one. */
export function figuresOf({ stores, sockets, meters, clock }: Parts, since: number): ServerFigures {
  return {
    uptime_ms: Math.round(clock.now() - since),
    sockets: sockets.size,
    channels: sockets.channels(),
    unsent_bytes: sockets.unsentBytes,
    lag_ops: meters.lag.ops,
    commits: meters.commits.value,
    stores: Array.from(stores.open(), (host) => Object.assign({ row: host.row }, host.describe())),
  };
}
