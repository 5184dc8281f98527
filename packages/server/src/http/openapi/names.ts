import { refusals as table } from '@holdfast/protocol';
import { scopes as all } from '../../access/index.ts';

/** Every reason that HTTP may tell. */
export const refusals: readonly string[] = Object.entries(table).flatMap(([reason, { http }]) =>
  http === null ? [] : [reason],
);

/** Every scope. */
export const scopes: readonly string[] = all;
