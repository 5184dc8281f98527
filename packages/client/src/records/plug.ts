import type { Mutator } from '@holdfast/engine/data';
import type { CacheTerms } from '../cache/port.ts';
import type { RecordDesk } from './types.ts';

/** What `records` of `@holdfast/client/records` gives to `createClient`. */
export type RecordsPlug = {
  /** Runs mutations where own writes are shown. */
  readonly mutate: Mutator;
  /** Has the outbox know the versions of records. */
  terms(terms: CacheTerms): CacheTerms;
  /** Begins with a client. */
  open(client: object): RecordDesk;
};
