import { type ClientHistory, isLive, type Problem } from './history.ts';
import type { Truth } from './truth.ts';

/** How much happened: a run in which nothing happens proves nothing. */
export type Traffic = {
  readonly ops: number;
  readonly commitsOfSeveral: number;
  readonly writesCommitted: number;
  readonly writesRefused: number;
  readonly events: number;
  readonly foreignEvents: number;
  readonly conflations: number;
  readonly resumes: number;
  readonly resyncs: number;
  readonly bookmarks: number;
};

/** Counts what happened. */
export function trafficOf(histories: readonly ClientHistory[], truth: Truth): Traffic {
  const made = histories.flatMap((each) => each.made);
  const events = histories.flatMap(({ watches }) => watches.flatMap((watch) => watch.events));
  const sum = (of: (history: ClientHistory) => number): number =>
    histories.reduce((total, each) => total + of(each), 0);
  return {
    ops: truth.ops.length,
    commitsOfSeveral: truth.commits.filter(({ first, last }) => last > first).length,
    writesCommitted: made.filter(
      ({ outcome }) => typeof outcome === 'object' && 'committed' in outcome,
    ).length,
    writesRefused: made.filter(({ outcome }) => typeof outcome === 'object' && 'refused' in outcome)
      .length,
    events: events.filter(isLive).length,
    foreignEvents: events.filter((event) => isLive(event) && !event.own).length,
    conflations: events.filter(({ conflated = 0 }) => conflated > 0).length,
    resumes: sum(({ resumes }) => resumes.filter((cursor) => cursor < truth.head).length),
    resyncs: sum(({ resyncs }) => resyncs.length),
    bookmarks: sum(({ bookmarks }) => bookmarks.filter(({ seq }) => seq > 0).length),
  };
}

/** Adds up the traffic of several runs. */
export function addTraffic(a: Traffic, b: Traffic): Traffic {
  return {
    ops: a.ops + b.ops,
    commitsOfSeveral: a.commitsOfSeveral + b.commitsOfSeveral,
    writesCommitted: a.writesCommitted + b.writesCommitted,
    writesRefused: a.writesRefused + b.writesRefused,
    events: a.events + b.events,
    foreignEvents: a.foreignEvents + b.foreignEvents,
    conflations: a.conflations + b.conflations,
    resumes: a.resumes + b.resumes,
    resyncs: a.resyncs + b.resyncs,
    bookmarks: a.bookmarks + b.bookmarks,
  };
}

/** Complains about a run that was too quiet to prove anything. */
export function busy(traffic: Traffic, minimum: Partial<Traffic>): Problem[] {
  const counts: { readonly [name: string]: number } = traffic;
  return Object.entries(minimum).flatMap(([name, least]) => {
    const count = counts[name] ?? 0;
    return count >= least ? [] : [{ word: 'busy', text: `${name}: ${count} of at least ${least}` }];
  });
}

/** Of a run in which nothing happened. */
export const noTraffic: Traffic = {
  ops: 0,
  commitsOfSeveral: 0,
  writesCommitted: 0,
  writesRefused: 0,
  events: 0,
  foreignEvents: 0,
  conflations: 0,
  resumes: 0,
  resyncs: 0,
  bookmarks: 0,
};
