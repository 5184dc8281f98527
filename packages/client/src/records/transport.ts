import type { TransportDelivery } from './asking.ts';
import type { Delivery } from './delivery.ts';
import { followed } from './followed.ts';
import { TransportEntry } from './transport-entry.ts';
import { linkOf } from './written.ts';

export {
  type BusCodec,
  type BusConnection,
  envelopeCodec,
  type EnvelopeStream,
  InProcessTransport,
  type Isolation,
  natsBus,
  type NatsConnectionLike,
  NatsTransport,
  streamTransport,
  type SyncTransport,
  type TransportOptions,
  type TransportProblem,
} from '@holdfast/engine/record';

export type { Refetch, TransportDelivery } from './asking.ts';

/** Has records come by a transport, and not by the client's stores (records.md §7): `records([…], { delivery: byTransport(…) })`. */
export function byTransport(options: TransportDelivery): Delivery {
  return {
    entry: (of, desk) => new TransportEntry(followed(of), options, desk),
    ...linkOf('byTransport', options.writes),
  };
}
