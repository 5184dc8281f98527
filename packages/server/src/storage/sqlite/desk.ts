import type { DatabaseSync } from 'node:sqlite';
import type { EpochMs } from '@holdfast/protocol';
import type { Retention } from '../port.ts';
import type { Commits } from './commits.ts';
import type { RowReader } from './rows.ts';

/** What the tables beside the log work with. */
export type Desk = {
  readonly db: DatabaseSync;
  readonly commits: Commits;
  readonly rows: RowReader;
  readonly now: () => EpochMs;
  /** By which what is kept for a time is old. */
  readonly settled: () => EpochMs;
  readonly retention: Retention;
};
