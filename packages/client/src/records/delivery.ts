import type { Mutator } from '@holdfast/engine/data';
import type {
  Json,
  OpId,
  Passed,
  Path,
  Precondition,
  RecordDef,
  RecordRef,
  Request,
} from '@holdfast/protocol';
import type { Outcome } from '@holdfast/engine/replica';
import type { RecordWrite } from '@holdfast/engine/record';
import type { Lasting, Signal } from '@holdfast/engine/registry';
import type { Cache } from '../cache/port.ts';
import type { ClientEnv } from '../env.ts';
import type { Hold } from '../hold.ts';
import type { TokenSource } from '../options.ts';
import type { Store } from '../store.ts';
import type { RecordConflictError } from './conflict.ts';
import type { Link } from '../link/port.ts';
import type { Line } from './plug.ts';
import type { PageEnvelope } from './rendered.ts';
import type { SlotWatch } from './watch.ts';
import type { RecordReceipt, RecordState, RecordStats, RecordWriteOptions } from './types.ts';

/** A record for as long as it is here, whichever way it comes (records.md §6, §8). */
export interface RecordEntry extends Lasting {
  readonly value: Signal<unknown>;
  readonly state: Signal<RecordState<unknown>>;
  readonly stats: RecordStats;
  ready(): Promise<void>;
  whenIdle(): Promise<void>;
  retry(): void;
  write(write: RecordWrite, options?: RecordWriteOptions): RecordReceipt<unknown>;
}

/** A record that can be written to, whichever way it comes. */
export interface Writable extends RecordEntry {
  readonly ref: RecordRef;
  /** Where its writes wait until they are decided; null: it is closed. */
  readonly hold: Hold | null;
  /** What the server has, as it was last taken. */
  readonly server: {
    readonly value: unknown;
    readonly sequence: number;
    readonly version: string;
  };
  /** What is shown of the object, as it is stored; and whether nothing is known of it yet. */
  current(): { readonly current: Json | undefined; readonly isUnknown: boolean };
  look(): void;
  tell(): void;
  /** That what is at these paths is as it is now. */
  guards(paths: readonly Path[]): readonly Precondition[];
  addConflict(conflict: RecordConflictError): void;
  /** Says whether it was there. */
  removeConflict(conflict: RecordConflictError): boolean;
  /** Its writes may go by HTTP, where all are transactions: sent once more another way they are the same. */
  readonly isApart?: true;
  /** A write has come to its end. */
  ended?(write: { readonly opId: OpId; readonly request: Request }, outcome: Outcome): void;
}

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
  readonly env: ClientEnv;
  readonly report: (error: unknown) => void;
  /** The server by HTTP, and what it is shown. */
  readonly server: { readonly url: string; readonly token: TokenSource | null };
  /** What a page is rendered from, by the keys of records. */
  readonly rendered: Map<string, PageEnvelope>;
  /** null: nothing is kept. */
  readonly cache: Cache | null;
  /** Comes before the cache is used; null: nothing is to be waited for. */
  readonly identified: Promise<void> | null;
  /** Runs the mutations of records. */
  readonly mutate: Mutator;
  closed(entry: RecordEntry): void;
  skewed(skew: { readonly record: string; readonly client: string; readonly server: string }): void;
  open(store: string, scope: readonly string[]): { readonly store: Store; readonly hold: Hold };
  /** Whether own writes of a store at a path wait. */
  waits(store: string, path: Path): boolean;
  watch(hold: Hold): SlotWatch;
  write(entry: Writable, write: RecordWrite, options?: RecordWriteOptions): RecordReceipt<unknown>;
};

/** Another way for records to come than by the client's stores; `byTransport` makes one. */
export type Delivery = {
  entry(followed: Followed, desk: DeliveryDesk): RecordEntry;
  /** How the client reaches its server, where it is given no link. */
  readonly link?: (line: Line) => Link;
  /** The client is at its end. */
  close?(desk: DeliveryDesk): void;
};
