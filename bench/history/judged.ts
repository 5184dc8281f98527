import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contentOf } from '../../simulation/kill/content.ts';
import type { Problem } from '../../simulation/validators/history.ts';
import { judge } from '../../simulation/validators/judge.ts';
import { busy, type Traffic, trafficOf } from '../../simulation/validators/traffic.ts';
import { leavesOf, Truth } from '../../simulation/validators/truth.ts';
import { firstDifference } from '../../simulation/validators/words.ts';
import { rawJoin } from '../load/raw-join.ts';
import { type Running, start } from '../servers/process.ts';
import { HistoryError } from './error.ts';
import type { Testimony, Witness } from './testimony.ts';
import { readerTestimony } from './wire.ts';

const TAIL = 500;

/** How a round is measured: whoever can tell what it did and saw is put on the list of witnesses. */
export type Measure<T> = (server: Running, witnesses: Witness[]) => Promise<T>;

/**
 * Measures with a server of ours, then holds what its clients did and saw against the log that the server leaves behind:
 * the validators of the tests, and a minimum of traffic. Nothing of that goes on while the clock runs.
 */
export async function judged<T>(
  minimum: Partial<Traffic>,
  measure: Measure<T>,
  data = mkdtempSync(join(tmpdir(), 'holdfast-bench-')),
): Promise<T> {
  try {
    const server = await start('holdfast', { data });
    const witnesses: Witness[] = [];
    let measured: T;
    let late: readonly Testimony[];
    try {
      measured = await measure(server, witnesses);
      late = await latecomers(server.port);
    } finally {
      await server.stop();
    }
    const { ops, entries } = await contentOf(data, 'bench/main');
    const testimonies = [...witnesses.map((witness) => witness()), ...late];
    const truth = new Truth(ops);
    const stored = firstDifference(entries, leavesOf(truth.stateAt(truth.head)));
    const problems = verdictOf(testimonies, truth, minimum);
    if (stored !== null) problems.push({ word: 'converged', text: `the storage has ${stored}` });
    if (problems.length > 0) throw new HistoryError(problems);
    return measured;
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
}

/** What is wrong with what clients tell of a log. */
export function verdictOf(
  testimonies: readonly Testimony[],
  truth: Truth,
  minimum: Partial<Traffic>,
): Problem[] {
  const histories = testimonies.map(({ history }) => history);
  return [
    ...testimonies.flatMap(({ problems }) => problems),
    ...judge(histories, truth),
    ...busy(trafficOf(histories, truth), minimum),
  ];
}

/** Those who were there could only count; these are told all of it, and what somebody missed who was away for a while. */
async function latecomers(port: number): Promise<readonly Testimony[]> {
  const tell = async (client: string, from: number): Promise<Testimony> => {
    const patterns = ['**'];
    const { frames } = await rawJoin(port, { last_store_seq: from, patterns });
    return readerTestimony(client, frames, { patterns, from });
  };
  const late = await tell('who comes late', 0);
  const head = late.history.watches[0]?.through ?? 0;
  return [late, await tell('who comes back', Math.max(Math.floor(head / 2), head - TAIL))];
}
