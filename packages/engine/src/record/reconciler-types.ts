import type { MonotonicMs, Passed, RecordDef } from '@holdfast/protocol';
import type { Envelope, HandshakeAnswer } from '@holdfast/protocol/record';

/** Where an envelope comes from. */
export type Source = 'seed' | 'persisted' | 'receipt' | 'snapshot';

/** What a reconciler is told (records.md §6). */
export type ReconcilerInput = { readonly now: MonotonicMs } & (
  | { readonly type: 'start' }
  | { readonly type: 'envelope'; readonly source: Source; readonly message: unknown }
  | { readonly type: 'answer'; readonly run: number; readonly answer: HandshakeAnswer }
  /** What nobody asked for: rights that are others now, what has replaced what there was. */
  | { readonly type: 'told'; readonly answer: HandshakeAnswer }
  /** What a refetch gave; null: there is nothing. */
  | { readonly type: 'fetched'; readonly run: number; readonly message: unknown }
  | { readonly type: 'failed'; readonly run: number; readonly error: unknown }
  /** The connection was lost, and is there again. */
  | { readonly type: 'reconnected' }
  | { readonly type: 'retry' }
  | { readonly type: 'tick' }
  | { readonly type: 'close' }
);

/** What a reconciler wants done. */
export type ReconcilerEffect =
  | { readonly type: 'request'; readonly run: number; readonly have: Have | null }
  | { readonly type: 'abort'; readonly run: number }
  /** Call `tick` at this time; replaces the former one; null: never. */
  | { readonly type: 'wake'; readonly at: MonotonicMs | null }
  | { readonly type: 'persist'; readonly envelope: Envelope | null }
  | { readonly type: 'report'; readonly error: unknown }
  | { readonly type: 'skewed'; readonly server: string };

/** What there is already, for whoever is asked for more. */
export type Have = {
  readonly incarnation: string | null;
  readonly sequence: number;
  readonly schemaVersion: string;
};

/** What of the server is known (records.md §6.1). */
export type ServerSide = {
  /** The value as it travelled; undefined: there is none. */
  readonly raw: unknown;
  /** What is shown for it: the schema's output. */
  readonly value: unknown;
  readonly sequence: number;
  readonly incarnation: string | null;
  readonly schemaVersion: string;
  readonly source: Source;
};

/** Where a record stands (records.md §6.6). */
export type ReconcilerStatus =
  | 'idle'
  | 'loading'
  | 'ok'
  | 'stale'
  | 'refetching'
  | 'skew'
  | 'gone'
  | 'denied'
  | 'closed';

/** Counters (records.md §6). */
export type ReconcilerStats = {
  [
    Name in
      | 'applied'
      | 'ignoredStale'
      | 'gaps'
      | 'parseErrors'
      | 'refetches'
      | 'schemaSkews'
      | 'envelopeErrors'
      | 'staleSnapshots'
      | 'incarnationChanges'
      | 'migrated'
      | 'dropped'
      | 'listenerErrors'
  ]: number;
};

/** What a reconciler is made of. */
export type ReconcilerConfig = {
  readonly def: Pick<RecordDef, 'name' | 'version' | 'migrate' | 'migrateDown'>;
  /** The schema gate. */
  readonly pass: (value: unknown) => Passed<unknown>;
  readonly stats: ReconcilerStats;
  readonly random: () => number;
  /** Whether anybody can be asked for a snapshot, and whether that is done at the start though there is a seed. */
  readonly canAsk: boolean;
  readonly asksFirst: boolean;
  /** Whether each question is a request of its own, and not one of many in a message. */
  readonly asksAlone: boolean;
};
