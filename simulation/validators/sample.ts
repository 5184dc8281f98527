import type { WatchEvent } from '@holdfast/engine/replica';
import { asPath, type Json, type Op, type Path, type Seq } from '@holdfast/protocol';
import { Belief } from './belief.ts';
import type { ClientHistory, WatchHistory } from './history.ts';
import { leavesOf, Truth } from './truth.ts';

/** A small log: two writers, single ops and transactions of two. */
export function sampleTruth(): Truth {
  const ops: Op[] = [];
  const add = (writes: readonly (readonly [string, Json])[], clientOpId: string): void => {
    const last = ops.length + writes.length;
    for (const [path, value] of writes) {
      const tx = writes.length > 1 ? last : null;
      ops.push({ ...blank, seq: ops.length + 1, path: asPath(path), value, clientOpId, tx });
    }
  };
  for (let round = 1; round <= 5; round++) {
    add([['n/a', round]], `ann:s:${round * 2 - 1}`);
    add([['n/b', round]], `bob:s:${round}`);
    const pair = [`left ${round}`, `right ${round}`] as const;
    add(
      [
        ['p/left', pair[0]],
        ['p/right', pair[1]],
      ],
      `ann:s:${round * 2}`,
    );
  }
  return new Truth(ops);
}

/** What bob, who makes no mistake, has to tell of that log. */
export function sampleHistory(truth: Truth): ClientHistory {
  const made = [1, 2, 3, 4, 5].map((n) => {
    const opId = `bob:s:${n}`;
    return { opId, isGuarded: false, outcome: { committed: truth.of(opId)[0]?.seq ?? 0 } };
  });
  return {
    client: 'bob',
    made: [...made, { opId: 'bob:s:6', isGuarded: true, outcome: { refused: 'conflict' } }],
    watches: [
      watchOf(truth, '**', everyEvent(truth)),
      { ...watchOf(truth, 'n/*', conflatedEvents(truth)), policy: 'latest' },
    ],
    bookmarks: [7, 15].map((seq) => ({ seq, entries: leavesOf(truth.stateAt(seq)) })),
    resumes: [8],
    resyncs: [],
  };
}

/** The histories of both writers; ann only writes. */
export function sampleHistories(truth: Truth): readonly ClientHistory[] {
  const bob = sampleHistory(truth);
  const made = Array.from({ length: 10 }, (_, index) => {
    const opId = `ann:s:${index + 1}`;
    return { opId, isGuarded: false, outcome: { committed: truth.of(opId).at(-1)?.seq ?? 0 } };
  });
  return [bob, { ...bob, client: 'ann', made, watches: [], bookmarks: [], resumes: [] }];
}

const blank = {
  op: 'set',
  arg: null,
  deviceId: 'ann',
  at: 0,
  principal: null,
} as const satisfies Partial<Op>;

function watchOf(truth: Truth, pattern: string, events: readonly WatchEvent[]): WatchHistory {
  return {
    name: `bob watching ${pattern}`,
    pattern,
    mode: 'committed',
    policy: 'every',
    includeCurrent: true,
    isWhole: true,
    from: 0,
    through: truth.head,
    events,
  };
}

function everyEvent(truth: Truth): readonly WatchEvent[] {
  const belief = new Belief();
  return truth.ops.map(({ path, seq, value }) => {
    const event = eventOf(path, seq, { value, previous: belief.read(path) });
    belief.hear(event);
    return event;
  });
}

/** Only every second change of a path, each with the one that it stands for. */
function conflatedEvents(truth: Truth): readonly WatchEvent[] {
  const shown = new Map<Path, Json>();
  return truth.ops
    .filter(({ path, value }) => path.startsWith('n/') && Number(value) % 2 === 1)
    .map(({ path, seq, value }) => {
      const previous = shown.get(path);
      shown.set(path, value);
      return eventOf(path, seq, { value, previous, ...(value !== 1 && { conflated: 1 }) });
    });
}

function eventOf(
  path: Path,
  seq: Seq,
  told: Pick<WatchEvent, 'value' | 'previous' | 'conflated'>,
): WatchEvent {
  return { path, ...told, type: 'string', op: 'set', seq, own: path === 'n/b' };
}
