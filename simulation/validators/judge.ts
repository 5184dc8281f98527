import type { ClientHistory, Problem } from './history.ts';
import type { Truth } from './truth.ts';
import {
  atomic,
  bookmarkable,
  conflated,
  filtered,
  gapless,
  type Judged,
  ordered,
  previous,
  reliable,
  resumable,
  unique,
} from './words.ts';
import { dense, inOrder, once, whole } from './writes.ts';

const ofWatches: readonly ((judged: Judged) => Problem[])[] = [
  ordered,
  unique,
  atomic,
  reliable,
  resumable,
  filtered,
  previous,
  gapless,
  conflated,
];

/** Holds the histories of all clients against the log. */
export function judge(histories: readonly ClientHistory[], truth: Truth): Problem[] {
  return [
    ...dense(truth),
    ...whole(truth),
    ...inOrder(truth),
    ...once(histories, truth),
    ...histories.flatMap((client) => [
      ...bookmarkable(client, truth),
      ...client.watches.flatMap((watch) =>
        ofWatches.flatMap((check) => check({ watch, client, truth })),
      ),
    ]),
  ];
}
