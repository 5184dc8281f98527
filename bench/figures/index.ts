import type { Figure } from '../figure.ts';
import { bundle } from './bundle.ts';
import { cacheCommit } from './cache-commit.ts';
import { commit } from './commit.ts';
import { fanoutFiltered, fanoutSingle, fanoutStream } from './fanout.ts';
import { join, joinBlock, open } from './join.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { openOffline } from './open-offline.ts';
import { replica } from './replica.ts';

/** Every figure, in the order in which they are measured. */
export const figures: readonly Figure[] = [
  commit,
  fanoutSingle(200),
  fanoutSingle(1000),
  fanoutStream(200),
  fanoutStream(1000),
  fanoutFiltered(1000, 10),
  join,
  joinBlock,
  replica,
  latency,
  memory,
  bundle,
  cacheCommit,
  openOffline,
  open,
];
