import type { RecordConflictError } from './conflict.ts';
import type { Delivery } from './delivery.ts';

/** How records are kept and told of. */
export type RecordsOptions = {
  /** Another way for records to come than by the client's stores: `byTransport` of `@holdfast/client/records/transport`. */
  readonly delivery?: Delivery;
  /** How sources come: `bySse()` of `@holdfast/client/records/sse`. Default: as `delivery` says. */
  readonly sources?: Delivery;
  /** Hears of own writes that met another's (records.md §11.4). */
  readonly onConflict?: (conflict: RecordConflictError) => void;
  /** Hears, once for each version of the server, that this client cannot read a record. */
  readonly onSkew?: (skew: Skew) => void;
  /** Records of one store that are open at once (records.md §19). Default: 1000. */
  readonly openMax?: number;
};

/** A record that the server has in a version which this client cannot read. */
export type Skew = { readonly record: string; readonly client: string; readonly server: string };
