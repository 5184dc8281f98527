import { HoldfastError } from '@holdfast/protocol';

/** The kinds of rows that a store is kept in. */
export type RowKind = 'entry' | 'map' | 'request' | 'letter';

export type Row = readonly [id: string, text: string];

/** null: there is no such row any more. */
export type RowChange = readonly [kind: RowKind, id: string, text: string | null];

/** Who writes: the client that read the place last, or the tab that leads. */
export type Hand = { readonly pen: string } | { readonly reign: number };

/** What is written at once, or not at all. */
export type RowBatch = {
  readonly place: string;
  readonly hand: Hand;
  /** Entries and maps, with the head they belong to: written only by the present hand. */
  readonly committed: {
    readonly head: string;
    /** All entries and maps before these are gone. */
    readonly clears: boolean;
    /** Read once, in pieces. */
    readonly rows: Iterable<RowChange>;
  } | null;
  /** Requests and letters: written whoever holds the pen, but not for a reign of the past. */
  readonly own: readonly RowChange[];
};

/**
 * What became of a batch: `fenced` if another hand writes now, `gone` if the place was forgotten meanwhile. In both the
 * entries are not written.
 */
export type Written = 'stored' | 'fenced' | 'gone';

/** The head of a place of which no more is known than that there was one: its entries cannot be read, nor may its other rows. */
export const unreadable = '';

/** Takes a page of rows of one kind; it must not wait for anything. */
export type TakeRows = (kind: RowKind, rows: readonly Row[]) => void;

/**
 * What a driver of a durable cache does: keeps rows of text, each under a place, a kind and an id; what they mean is not
 * its concern. Every method rejects with a `cache_failed` of {@link cacheFault} where the storage fails, and then has
 * changed nothing. Nothing it does holds up the event loop for more than a page of about a thousand rows.
 */
export interface RowStore {
  /** Set by whoever uses it: to be called where others have removed what was stored, or may have. */
  removed?: () => void;
  /**
   * Gives the rows of a place in pages, all as of one moment, and its head; null where nothing was ever written. With a
   * pen, that pen alone writes the place from this moment on.
   */
  read(
    place: string,
    how: { readonly pen: string | null; readonly kinds: readonly RowKind[] },
    take: TakeRows,
  ): Promise<string | null>;
  write(batch: RowBatch): Promise<Written>;
  /** Changes a text that belongs to no place, in one step, and gives what it is then. */
  note(name: string, next: (text: string | null) => string): Promise<string>;
  /** Places that have requests. */
  waiting(): Promise<readonly string[]>;
  clear(place: string): Promise<void>;
  /** Puts aside what is damaged as a whole, and begins anew; tells where the old is, if anywhere. */
  renew(): Promise<string | null>;
  close(): Promise<void>;
}

/** What can be wrong with a cache. */
export type CacheFaultKind =
  /** The platform has no such storage, or forbids it. */
  | 'unavailable'
  /** There is no room: the quota is used up, or the disk. */
  | 'full'
  /** What is stored cannot be read. */
  | 'corrupt'
  /** It was written by a newer version of this library. */
  | 'newer'
  /** Somebody has removed what was stored. */
  | 'cleared'
  /** Another process does not let go of it. */
  | 'busy'
  /** The storage does not answer. */
  | 'stuck'
  | 'failed';

/** The error of a cache; `kept` says whether the outbox is safe all the same. */
export function cacheFault(
  why: CacheFaultKind,
  { cause, kept = false }: { readonly cause?: unknown; readonly kept?: boolean } = {},
): HoldfastError {
  const isSaid = cause instanceof Error && cause.message !== '';
  const said = isSaid ? `: ${cause.name}: ${cause.message}` : '';
  return new HoldfastError('cache_failed', { why, kept }, `cache_failed: ${why}${said}`);
}

/** What a cache has failed with; one that somebody has made may fail with anything. */
export function asFault(cause: unknown): HoldfastError {
  return cause instanceof HoldfastError ? cause : cacheFault('failed', { cause });
}

/** What an error says of the storage; null for errors that are not of {@link cacheFault}. */
export function faultKind(error: unknown): unknown {
  return error instanceof HoldfastError ? (error.details['why'] ?? null) : null;
}

/** How a driver finds a place; of one that is new, nothing was ever written, or it was forgotten. */
export type Standing = {
  readonly isNew: boolean;
  readonly pen: string;
  /** The present reign, where a reign writes. */
  readonly reign: number;
};

/** What a driver writes of a batch. */
export type Verdict = {
  readonly written: Written;
  readonly own: RowBatch['own'];
  readonly committed: RowBatch['committed'];
};

/** Judges what of a batch may be written. */
export function judge({ hand, own, committed }: RowBatch, now: Standing): Verdict {
  if ('reign' in hand && hand.reign !== now.reign) {
    return { written: 'fenced', own: [], committed: null };
  }
  // What was to be added to entries that are gone would be taken for all of them.
  if (now.isNew && committed?.clears === false) return { written: 'gone', own, committed: null };
  if (now.isNew || 'reign' in hand || hand.pen === now.pen) {
    return { written: 'stored', own, committed };
  }
  return { written: 'fenced', own, committed: null };
}
