import type { Mutator } from '@holdfast/engine/data';
import type { Codec } from '@holdfast/protocol';
import type { CacheTerms } from '../cache/port.ts';
import type { ClientEnv } from '../env.ts';
import type { Link } from '../link/port.ts';
import type { RecordDesk } from './types.ts';

/** How a client would reach its server by itself. */
export type Line = {
  readonly link: Link;
  readonly codec: Codec;
  readonly env: ClientEnv;
  readonly report: (error: unknown) => void;
};

/** What `records` of `@holdfast/client/records` gives to `createClient`. */
export type RecordsPlug = {
  /** Runs mutations where own writes are shown. */
  readonly mutate: Mutator;
  /** Has the outbox know the versions of records. */
  terms(terms: CacheTerms): CacheTerms;
  /** The link of a client that is given none, where it is another one. */
  readonly link?: ((line: Line) => Link) | undefined;
  /** Begins with a client. */
  open(client: object): RecordDesk;
};
