import { asPath, type Op } from '@holdfast/protocol';
import type { WatchEvent } from '@holdfast/engine/replica';
import { describe, expect, it } from 'vitest';
import type { ClientHistory, WatchHistory } from './history.ts';
import { judge } from './judge.ts';
import { sampleHistories, sampleTruth } from './sample.ts';
import { busy, trafficOf } from './traffic.ts';
import { Truth } from './truth.ts';

const truth = sampleTruth();

/** The words that a world breaks in which bob's history, or the log, is not as it should be. */
function broken(
  change: (bob: ClientHistory) => ClientHistory,
  spoil: (ops: readonly Op[]) => readonly Op[] = (ops) => ops,
): ReadonlySet<string> {
  const [bob, ...others] = sampleHistories(truth);
  if (bob === undefined) throw new Error('no bob');
  const problems = judge([change(bob), ...others], new Truth(spoil(truth.ops)));
  return new Set(problems.map(({ word }) => word));
}

/** The same, where a watch heard other events; the first is of `**`, the second of `n/*`, conflating. */
function misheard(
  change: (events: WatchEvent[]) => WatchEvent[],
  which: 0 | 1 = 0,
  more: Partial<WatchHistory> = {},
): ReadonlySet<string> {
  return broken((bob) => ({
    ...bob,
    watches: bob.watches.map((watch, index) =>
      index === which ? { ...watch, events: change([...watch.events]), ...more } : watch,
    ),
  }));
}

function without(index: number): (events: WatchEvent[]) => WatchEvent[] {
  return (events) => events.toSpliced(index, 1);
}

function altered(index: number, more: Partial<WatchEvent>): (events: WatchEvent[]) => WatchEvent[] {
  return (events) => events.map((event, at) => (at === index ? { ...event, ...more } : event));
}

function swapped(a: number, b: number): (events: WatchEvent[]) => WatchEvent[] {
  return (events) =>
    events.map((event, at) => (at === a ? events[b] : at === b ? events[a] : event) ?? event);
}

function gap(events: WatchEvent[]): WatchEvent[] {
  return events.toSpliced(8, 4);
}

function authorsSwapped(a: number, b: number): (ops: readonly Op[]) => readonly Op[] {
  const nameAt = new Map([
    [a, truth.at(b)?.clientOpId],
    [b, truth.at(a)?.clientOpId],
  ]);
  return (ops) =>
    ops.map((op) => Object.assign({}, op, { clientOpId: nameAt.get(op.seq) ?? op.clientOpId }));
}

describe('the validators', () => {
  it('find nothing in a history without fault', () => {
    expect(judge(sampleHistories(truth), truth)).toEqual([]);
  });

  it('see events out of order, live and listed', () => {
    expect(misheard(swapped(4, 5))).toContain('ordered');
    expect(misheard(altered(9, { op: 'present' }))).toContain('ordered');
    expect(misheard(swapped(0, 2), 1)).toContain('ordered');
  });

  it('see an event that is told twice', () => {
    expect(misheard((events) => events.toSpliced(6, 0, ...events.slice(5, 6)))).toContain('unique');
    expect(misheard((events) => [...events.slice(0, 1), ...events], 1)).toContain('unique');
  });

  it('see a transaction of which a part is told, or that something comes between', () => {
    expect(misheard(without(3))).toContain('atomic');
    expect(misheard(swapped(3, 4))).toContain('atomic');
  });

  it('see an op that is never told, and events that do not lead to the state', () => {
    expect(misheard(without(8))).toContain('reliable');
    expect(misheard(without(19))).toContain('reliable');
    expect(misheard(altered(19, { value: 'other' }))).toContain('reliable');
  });

  it('see a seam where a connection broke', () => {
    expect(misheard(without(7))).toContain('resumable');
    expect(misheard(without(8))).toContain('resumable');
    expect(misheard((events) => [...events.slice(0, 8), ...events.slice(7)])).toContain(
      'resumable',
    );
  });

  it('see a state that is not the one of its seq', () => {
    const wrong = broken((bob) => ({
      ...bob,
      bookmarks: bob.bookmarks.map(({ seq, entries }) => ({ seq: seq + 1, entries })),
    }));
    expect(wrong).toEqual(new Set(['bookmarkable']));
    const short = broken((bob) => ({
      ...bob,
      bookmarks: bob.bookmarks.map(({ seq, entries }) => ({ seq, entries: entries.slice(1) })),
    }));
    expect(short).toEqual(new Set(['bookmarkable']));
  });

  it('see an event that the pattern or the mode leaves out', () => {
    expect(misheard(altered(0, { path: asPath('other/a') }), 1)).toContain('filtered');
    expect(misheard(altered(3, { seq: null }))).toContain('filtered');
    expect(misheard((events) => events, 0, { mode: 'optimistic' })).toContain('filtered');
  });

  it('see a previous value that was never shown', () => {
    expect(misheard(altered(6, { previous: 'other' }))).toEqual(new Set(['previous']));
    expect(misheard(altered(6, { previous: undefined }))).toEqual(new Set(['previous']));
    expect(misheard(altered(2, { previous: 2 }), 1)).toEqual(new Set(['previous']));
  });

  it('see a gap that no marker excuses, and accept one that a resync explains', () => {
    expect(misheard(gap)).toContain('gapless');
    const excused = broken((bob) => ({
      ...bob,
      resyncs: [[8, 12]],
      watches: bob.watches.slice(0, 1).map((watch) => {
        const events = gap([...watch.events]);
        return Object.assign({}, watch, { includeCurrent: false, isWhole: false, events });
      }),
    }));
    expect(excused).toEqual(new Set());
  });

  it('see a conflation that is not counted, or does not end in the last op', () => {
    expect(misheard(altered(2, { conflated: 0 }), 1)).toEqual(new Set(['conflated']));
    expect(misheard(altered(2, { conflated: 2 }), 1)).toEqual(new Set(['conflated']));
    expect(misheard(without(5), 1)).toContain('conflated');
    expect(misheard(altered(2, { seq: 10 }), 1)).toContain('conflated');
  });

  it('S112 see an acknowledged write that is lost, moved or doubled, and one that nobody made', () => {
    const acknowledged = (seq: number): ReadonlySet<string> =>
      broken((bob) => ({
        ...bob,
        made: bob.made.map((each, at) =>
          at === 1 ? { ...each, outcome: { committed: seq } } : each,
        ),
      }));
    expect(acknowledged(2)).toEqual(new Set(['once']));
    const lost = broken(
      (bob) => bob,
      (ops) => ops.map((op) => (op.clientOpId === 'bob:s:2' ? { ...op, clientOpId: 'x' } : op)),
    );
    expect(lost).toContain('once');
    expect(lost).toContain('known');
    const doubled = broken(
      (bob) => bob,
      (ops) => ops.map((op) => (op.seq === 10 ? { ...op, clientOpId: 'bob:s:2' } : op)),
    );
    expect(doubled).toContain('once');
    const refused = broken((bob) => ({
      ...bob,
      made: bob.made.map((each) => ({ ...each, outcome: { refused: 'conflict' } })),
    }));
    expect(refused).toEqual(new Set(['once']));
  });

  it('S112 see writes of a client in another order, a seq left out, a commit torn', () => {
    expect(broken((bob) => bob, authorsSwapped(2, 6))).toContain('inOrder');
    expect(
      broken(
        (bob) => bob,
        (ops) => ops.filter(({ seq }) => seq !== 6),
      ),
    ).toContain('dense');
    expect(
      broken(
        (bob) => bob,
        (ops) => ops.slice(0, -1),
      ),
    ).toContain('whole');
  });

  it('complain about a run in which too little happened', () => {
    const traffic = trafficOf(sampleHistories(truth), truth);
    expect(busy(traffic, traffic)).toEqual([]);
    const names = Object.entries(traffic).map(([name, count]) => [name, count + 1]);
    expect(busy(traffic, Object.fromEntries(names))).toHaveLength(names.length);
    expect(busy(trafficOf([], new Truth([])), { events: 1 })).toEqual([
      { word: 'busy', text: 'events: 0 of at least 1' },
    ]);
  });
});
