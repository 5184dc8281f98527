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
import { dense, inOrder, known, once, whole } from './writes.ts';

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

/** Holds the histories of all clients against the log. `strangers`: others write there too, and are not judged. */
export function judge(
  histories: readonly ClientHistory[],
  truth: Truth,
  { strangers = false }: { readonly strangers?: boolean } = {},
): Problem[] {
  return [
    ...dense(truth),
    ...whole(truth),
    ...inOrder(histories, truth),
    ...once(histories, truth),
    ...(strangers ? [] : known(histories, truth)),
    ...histories.flatMap((client) => [
      ...bookmarkable(client, truth),
      ...client.watches.flatMap((watch) =>
        ofWatches.flatMap((check) => check({ watch, client, truth })),
      ),
    ]),
  ];
}
