import { isDeepStrictEqual } from 'node:util';
import type { DeviceRecord } from '../storage/port.ts';
import type { SocketRoom } from './room.ts';
import type { ChannelTerms } from './terms.ts';

/**
 * Whether a capver-3 device was last told what it would be told now (stores.md §9.4.3). Devices name themselves: a record
 * that somebody else has left under the name says nothing of what this one has, and neither does one that tells not whose it
 * is.
 */
export function isLike(record: DeviceRecord | 'forgotten', wanted: DeviceRecord): boolean {
  return record !== 'forgotten' && isDeepStrictEqual(record, wanted);
}

/** Notes that a capver-3 device has its snapshot, unless another join under its name has come since. */
export async function noteConfirmed(room: SocketRoom, terms: ChannelTerms): Promise<void> {
  const { host, deviceId, plan, principal } = terms;
  const { name, incarnation } = host.row;
  const { subject } = principal;
  const { devices } = room.storage;
  const sent = { incarnation, scope: plan.scope.hash, unconfirmed: true, subject };
  const record = await devices.get(name, deviceId);
  if (record === null || !isLike(record, sent)) return;
  await devices.put(name, deviceId, { ...sent, unconfirmed: false });
}
