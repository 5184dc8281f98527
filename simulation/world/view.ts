import { Ledger, Replica, type ReplicaImage } from '@holdfast/engine/replica';
import { asGlob, defaultLimits } from '@holdfast/protocol';
import type { Room } from './room.ts';

/** A replica of everything, on what a cache has. */
export function replicaOf(
  of: { readonly topic: string; readonly deviceId: string; readonly image: ReplicaImage | null },
  room: Room,
): Replica {
  const { topic, deviceId, image } = of;
  return new Replica({
    topic,
    patterns: [asGlob('**')],
    deviceId,
    limits: defaultLimits,
    random: () => room.dice.next(),
    ledger: new Ledger(),
    ...(image !== null && { image }),
  });
}

/**
 * What is shown is what is committed with the own writes that are pending (P28): as a replica sees it that starts with both.
 * Tells what differs.
 */
export function unfolded(
  replica: Replica,
  of: { readonly topic: string; readonly deviceId: string },
  room: Room,
): string | null {
  const image = replica.image();
  const isForgetful = room.isSpoiled?.('a view forgets a pending write');
  const outbox = isForgetful ? image.outbox.slice(0, -1) : image.outbox;
  const found = shownBy(replica);
  const wanted = shownBy(replicaOf({ ...of, image: { ...image, outbox } }, room));
  return found === wanted ? null : `${of.deviceId} shows ${found} instead of ${wanted}`;
}

/** What a replica shows, and what it knows to be committed, revisions and all. */
export function inFull(replica: Replica): string {
  const { entries, maps } = replica.image();
  const view = replica.entries({}).items.map(({ path, value }) => [path, value]);
  return JSON.stringify([view, [...entries], [...maps]]);
}

function shownBy(replica: Replica): string {
  return JSON.stringify(replica.entries({}).items.map(({ path, value }) => [path, value]));
}
