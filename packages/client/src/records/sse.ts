import { SseTransport, type SseTransportOptions } from '../link/sse/index.ts';
import { type TransportDelivery, transportFault } from './asking.ts';
import type { Delivery, DeliveryDesk } from './delivery.ts';
import { byTransport } from './transport.ts';
import { linkOf } from './written.ts';

/**
 * Has records, or the sources of `records([…], { sources: bySse() })`, come as server-sent events from the client's own server
 * (records.md §8.1, §15), and go to it by HTTP. One stream for each client, which begins with the first of them and ends with the
 * client.
 */
export function bySse(
  options: Partial<SseTransportOptions> & Pick<TransportDelivery, 'writes'> = {},
): Delivery {
  const { writes, ...own } = options;
  const transports = new WeakMap<DeliveryDesk, SseTransport>();
  const transportOf = (desk: DeliveryDesk): SseTransport => {
    const { env, report } = desk;
    const { whoami, token } = desk.room.settings;
    const url = whoami.replace(/\/api\/whoami$/, '');
    const known =
      transports.get(desk) ??
      new SseTransport({
        url,
        token,
        env,
        fetch: (at, init) => env.fetch(at, init),
        onError: ({ phase, error }) => report(phase === 'handler' ? error : transportFault(error)),
        ...own,
      });
    transports.set(desk, known);
    return known;
  };
  return {
    entry: (of, desk) => byTransport({ transport: transportOf(desk) }).entry(of, desk),
    ...linkOf('bySse', writes),
    close: (desk) => void transports.get(desk)?.close(),
  };
}
