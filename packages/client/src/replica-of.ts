import { requestLimits } from '@holdfast/protocol';
import { Replica, type ReplicaConfig } from '@holdfast/engine/replica';
import type { Place, Room } from './room.ts';

/** The replica of a store, of what it begins with. */
export function replicaOf(
  { settings }: Room,
  place: Place,
  start: Pick<ReplicaConfig, 'image' | 'seed' | 'durable'>,
): Replica {
  const { deviceId, env, outboxMax, records } = settings;
  return new Replica({
    topic: `store:${place.name}`,
    patterns: place.wanted,
    deviceId,
    limits: requestLimits,
    random: () => env.random(),
    outboxMax,
    observe: (acts) => place.observe(acts),
    ...(records && { mutate: records.mutate }),
    ...start,
  });
}
