import { httpWrites } from '../link/http/index.ts';
import type { TransportDelivery } from './asking.ts';
import type { Delivery } from './delivery.ts';

/** What of a delivery says how own writes go (records.md §8.1.6); `of` is what was called. */
export function linkOf(
  of: string,
  writes: TransportDelivery['writes'] = 'http',
): Pick<Delivery, 'link'> {
  if (writes === 'http') return { link: httpWrites };
  if (writes === 'socket') return {};
  throw new TypeError(`${of}: "writes" is http or socket.`);
}
