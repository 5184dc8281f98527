import type { LoggedOp } from '@holdfast/server/storage';
import { textOf } from '../text.ts';

/** What somebody was shown of a record. */
export type Sighting = { readonly incarnation: string | null; readonly sequence: number };

/** A write that somebody has made. */
export type Written = { readonly opId: string; readonly committed: Promise<unknown> };

/** What became of a write, as its maker was told: each time that it was. */
export type Told = { readonly opId: string; readonly outcomes: readonly string[] };

/** A write, and what its maker is told of it from now on. */
export function toldOf({ opId, committed }: Written): Told {
  const outcomes: string[] = [];
  committed.then(
    () => outcomes.push('committed'),
    () => outcomes.push('rejected'),
  );
  return { opId, outcomes };
}

/** The sequence that is shown never decreases within an incarnation, and no incarnation comes back (R259). */
export function monotone(who: string, seen: readonly Sighting[]): readonly string[] {
  const problems: string[] = [];
  let last: Sighting = { incarnation: null, sequence: 0 };
  for (const each of seen) {
    if (each.incarnation === null) continue;
    const isSame = each.incarnation === last.incarnation;
    if (isSame && each.sequence < last.sequence) {
      problems.push(`monotone: ${who} was shown ${each.sequence} after ${last.sequence}`);
    }
    last = each;
  }
  return problems;
}

/** What is asked for is bounded by what has gone wrong, and not by what has come (R259). */
export function bounded(who: string, asked: number, faults: number): readonly string[] {
  // An attempt in five is not answered: three of each fault are more than come about, also where one trails.
  const most = 3 * faults + 10;
  return asked <= most ? [] : [`bounded: ${who} has asked ${asked} times for ${faults} faults`];
}

/** Every write is settled once; what was refused is nowhere, and nothing is committed twice (R259). */
export function settled(
  told: readonly Told[],
  log: readonly Pick<LoggedOp, 'clientOpId' | 'tx' | 'seq'>[],
): readonly string[] {
  const commits = new Map<string, Set<number>>();
  for (const { clientOpId, tx, seq } of log) {
    if (clientOpId === null) continue;
    commits.set(clientOpId, (commits.get(clientOpId) ?? new Set()).add(tx ?? seq));
  }
  const problems: string[] = [];
  for (const [opId, of] of commits) {
    if (of.size > 1) problems.push(`settled: ${opId} is committed ${of.size} times`);
  }
  for (const { opId, outcomes } of told) {
    if (outcomes.length !== 1) {
      problems.push(`settled: ${opId} was told ${outcomes.length} times how it ended`);
    }
    if (outcomes[0] === 'rejected' && commits.has(opId)) {
      problems.push(`settled: ${opId} was refused, and is committed`);
    }
  }
  return problems;
}

/** What is shown is what the server has (R259). */
export function converged(who: string, shown: unknown, wanted: unknown): readonly string[] {
  const [found, expected] = [textOf(shown), textOf(wanted)];
  return found === expected ? [] : [`converged: ${who} shows ${found} instead of ${expected}`];
}

/** Rows are those that somebody finds who looks through everything afresh, in the same order (records.md §14). */
export function fresh(
  who: string,
  rows: readonly unknown[],
  wanted: readonly unknown[],
): readonly string[] {
  const [found, expected] = [textOf(rows), textOf(wanted)];
  return found === expected ? [] : [`fresh: ${who} shows ${found} instead of ${expected}`];
}
