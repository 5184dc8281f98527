import type { Json, RecordRef } from '@holdfast/protocol';
import type { Replica } from '@holdfast/engine/replica';
import { versionIn } from './own-form.ts';
import { type Reading, readStored } from './reading.ts';
import type { RecordStats } from './types.ts';

type Fault = Extract<Reading, { readonly fault: unknown }>;

type Committed = {
  readonly replica: Pick<Replica, 'committed'>;
  readonly incarnation: string | null;
  readonly shown: unknown;
};

/** Hears of what a record of the server failed, once for each state of it. */
export type Failures = {
  report(error: unknown): void;
  skewed(skew: { readonly record: string; readonly client: string; readonly server: string }): void;
};

/**
 * What the server has of one record, as far as it passes the gates: the value is the last one that did (records.md §8). A
 * failure lasts until the object, the version of the store or the definition changes.
 */
export class ServerCopy {
  /** The object as it is stored; undefined: there is none. */
  json: Json | undefined;
  version: string;
  sequence = 0;
  value: unknown = undefined;
  fault: Fault | null = null;
  isTaken = false;
  readonly #ref: RecordRef;
  readonly #stats: RecordStats;
  readonly #failures: Failures;
  #incarnation: string | null = null;
  #skewed: string | null = null;

  constructor(ref: RecordRef, stats: RecordStats, failures: Failures) {
    this.#ref = ref;
    this.#stats = stats;
    this.#failures = failures;
    this.version = ref.record.version;
  }

  /** Takes what is committed, if it is something new; what is equal to what is `shown` is the same. */
  take({ replica, incarnation, shown }: Committed): void {
    const { path, record } = this.#ref;
    const committed = replica.committed(path);
    const version = versionIn(record, replica);
    this.#enter(incarnation);
    // What is gone keeps the sequence that it had.
    this.sequence = committed?.revision ?? this.sequence;
    if (this.isTaken && this.json === committed?.value && this.version === version) return;
    this.json = committed?.value;
    this.version = version;
    this.isTaken = true;
    this.#read(shown ?? this.value);
  }

  #enter(incarnation: string | null): void {
    if (this.#incarnation === incarnation) return;
    if (this.#incarnation !== null) {
      this.#stats.incarnationChanges += 1;
      this.sequence = 0;
    }
    this.#incarnation = incarnation;
  }

  #read(before: unknown): void {
    const { json, version } = this;
    const { record } = this.#ref;
    const stats = this.#stats;
    const reading =
      json === undefined
        ? { value: undefined }
        : readStored(record, { json, version }, { before, stats });
    if ('fault' in reading) {
      this.fault = reading;
      this.#failed(reading);
    } else {
      this.fault = null;
      this.value = reading.value;
      stats.applied += 1;
    }
  }

  #failed({ fault, error }: Fault): void {
    if (fault === 'stale') this.#failures.report(error);
    else if (this.#skewed !== this.version) {
      this.#skewed = this.version;
      const { name, version: client } = this.#ref.record;
      this.#failures.skewed({ record: name, client, server: this.version });
    }
  }
}
