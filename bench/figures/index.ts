import type { Figure } from '../figure.ts';
import { bundles } from './bundle.ts';
import { cacheCommit } from './cache-commit.ts';
import { collection } from './collection.ts';
import { commit } from './commit.ts';
import { drain } from './drain.ts';
import { fanoutFiltered, fanoutSingle, fanoutStream } from './fanout.ts';
import { join, joinBlock, open } from './join.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { openOffline } from './open-offline.ts';
import { react } from './react.ts';
import { records } from './records.ts';
import { refold } from './refold.ts';
import { replica } from './replica.ts';
import { viewApply } from './view-apply.ts';
import { viewDiff, viewDiffCopies } from './view-diff.ts';
import { viewLatency } from './view-latency.ts';
import { viewMemory } from './view-memory.ts';
import { viewShared } from './view-shared.ts';

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
  refold,
  drain,
  latency,
  collection,
  records,
  react,
  memory,
  viewDiff,
  viewDiffCopies,
  viewShared,
  viewMemory,
  viewLatency,
  viewApply,
  ...bundles,
  cacheCommit,
  openOffline,
  open,
];
