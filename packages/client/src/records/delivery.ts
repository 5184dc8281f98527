import type { Mutator } from '@holdfast/engine/data';
import type {
  ConflictError,
  Json,
  Passed,
  Path,
  Precondition,
  RecordDef,
  RecordRef,
  SourceDef,
} from '@holdfast/protocol';
import type { ClientEnv } from '../env.ts';
import type { Hold } from '../hold.ts';
import type { Link } from '../link/port.ts';
import type { Room } from '../room.ts';
import type { Line } from './plug.ts';
import type { SlotWatch, Watched, WideWatched } from './watch.ts';
import type { RecordState, RecordStats } from './types.ts';
import type { Live } from './use.ts';

/** A store that something is shown from. */
export type Opened = {
  readonly hold: Hold;
  readonly watch: SlotWatch;
  close(): void;
};

/** That what is at a path is as it was. */
export type Unchanged = Extract<Precondition, { readonly kind: 'if_match' | 'if_absent' }>;

/** A record for as long as it is here, whichever way it comes (records.md §6, §8). */
export interface RecordEntry extends Live<RecordState<unknown>> {
  /** Throws `read_only` where it cannot be written to. */
  readonly ref: RecordRef;
  readonly stats: RecordStats;
  ready(): Promise<void>;
  /** Resolves when what a write has left there is here; absent where nothing says when that is. */
  arrived?(): Promise<void>;
  whenIdle(): Promise<void>;
  retry(): void;
  /** Where its writes wait until they are decided; null: it is closed. */
  readonly opened: Opened | null;
  /** What the server has, as it was last taken. */
  readonly server: {
    readonly value: unknown;
    readonly sequence: number;
    readonly version: string;
  };
  /**
   * What is shown of the object, as this client would store it; whether nothing is known of it yet, and whether own
   * mutations leave more of it to the server than is shown.
   */
  current(): {
    readonly current: Json | undefined;
    readonly isUnknown: boolean;
    readonly isPart: boolean;
  };
  look(): void;
  tell(): void;
  refresh(): void;
  /** That what is at these paths is as it is now. */
  guards(paths: readonly Path[]): readonly Unchanged[];
  /** Own writes that met another's, until they are resolved. */
  conflicts: readonly ConflictError[];
  /** Its writes may go by HTTP, where all are transactions: sent once more another way they are the same. */
  readonly isApart?: true;
}

/** A source with its parameters (records.md §15). */
export type SourceRef = {
  readonly source: SourceDef;
  readonly key: string;
};

/** Something to be followed by its key: a record, or a source. */
export type Followed = {
  readonly key: string;
  readonly params: object;
  readonly record: Pick<RecordDef, 'name' | 'version' | 'migrate' | 'migrateDown'>;
  /** The record that can be written to; null: it can only be read. */
  readonly written: RecordRef | null;
  /** The gate of its values. */
  readonly pass: (value: unknown) => Passed<unknown>;
};

/** What an entry is given of its client. */
export type DeliveryDesk = {
  readonly room: Room;
  readonly env: ClientEnv;
  readonly report: (error: unknown) => void;
  /** Runs the mutations of records. */
  readonly mutate: Mutator;
  closed(entry: RecordEntry): void;
  skewed(skew: { readonly record: string; readonly client: string; readonly server: string }): void;
  /** Opens a store for what is shown from it; of the store that is wanted: by default what says the versions of records. */
  open(store: string, watched: Watched | WideWatched, scope?: readonly string[]): Opened;
};

/** Another way for records to come than by the client's stores; `byTransport` makes one. */
export type Delivery = {
  entry(of: RecordRef | SourceRef, desk: DeliveryDesk): RecordEntry;
  /** How the client reaches its server, where it is given no link. */
  readonly link?: (line: Line) => Link;
  /** The client is at its end. */
  close?(desk: DeliveryDesk): void;
};
