import type { ExpiredLease } from '@holdfast/engine/authority';
import type { Path } from '@holdfast/protocol';
import type { ChannelPort, ChannelTerms } from './terms.ts';
import { formatOf, message } from './wire.ts';

/** Frames of a notice, one for all channels that speak alike. */
const frames = new WeakMap<ExpiredLease, Map<string, Buffer>>();

/**
 * Tells a capver-4 channel of leases in its scope that end unrenewed, so that whoever waits for one need not ask. A hint: it is no op,
 * has no seq, and is dropped where the socket is behind.
 */
export function hearExpiry(
  port: ChannelPort,
  { dialect, topic, codec, host }: ChannelTerms,
  isInScope: (path: Path) => boolean,
): () => void {
  if (dialect === 3) return () => undefined;
  const audience = `${formatOf(codec)} ${topic}`;
  return host.leaseAlarm.listen((lease) => {
    if (port.outbox.congested || !isInScope(lease.path)) return;
    const known = frames.get(lease) ?? new Map<string, Buffer>();
    frames.set(lease, known);
    const frame =
      known.get(audience) ?? message(codec, [null, null, topic, 'lease_expired', lease]);
    known.set(audience, frame);
    port.outbox.send(frame);
  });
}
