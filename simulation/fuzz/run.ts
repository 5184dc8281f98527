import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Child } from '../child.ts';
import { Dice } from '../src/dice.ts';
import { contentOf } from '../kill/content.ts';
import { leavesOf, Reader } from '../kill/reader.ts';
import { openSite } from '../kill/site.ts';
import { isRejection, Writer } from '../kill/writer.ts';
import type { Problem } from '../validators/history.ts';
import { judge } from '../validators/judge.ts';
import { type Traffic, trafficOf } from '../validators/traffic.ts';
import { leavesOf as leavesOfTree, Truth } from '../validators/truth.ts';
import { firstDifference } from '../validators/words.ts';
import { Attacker, type Manner } from './attacker.ts';
import { knockAround } from './knocks.ts';

/** How much bad input. */
export type FuzzPlan = {
  readonly frames: number;
  readonly seed: number;
  /** Hears how many are sent. */
  readonly progress?: (done: number) => void;
};

/** What became of it. */
export type FuzzReport = {
  readonly problems: readonly Problem[];
  /** Of the clients that behave, while all this went on. */
  readonly traffic: Traffic;
  readonly frames: number;
  readonly answered: number;
  readonly accepted: number;
  /** Sockets that the server ended, for a reason. */
  readonly ended: number;
  /** The longest that anything waited for its answer, in milliseconds. */
  readonly slowest: number;
  /** Upgrade requests and handshakes that make no sense. */
  readonly knocks: number;
  /** Bytes of memory that the server grew by, between a tenth of the way and the end. */
  readonly growth: number;
};

const manners: readonly Manner[] = [
  { vsn: '2.0.0', capver: 4, mount: '/ws/sync/websocket' },
  { vsn: '3.0.0', capver: 4, mount: '/ws/sync/websocket' },
  { vsn: '2.0.0', capver: 3, mount: '/socket/websocket' },
  { vsn: '3.0.0', capver: 3, mount: '/ws/sync/websocket' },
  { vsn: '2.0.0', capver: 99, mount: '/socket/websocket' },
];

/** Sends a server all kinds of bad input, while clients that behave use the same store (stores.md S9, S31). */
export async function runFuzz(plan: FuzzPlan): Promise<FuzzReport> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-fuzz-'));
  const child = new Child(directory);
  try {
    return await attacked(plan, { directory, child });
  } finally {
    await child.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function attacked(
  plan: FuzzPlan,
  { directory, child }: { readonly directory: string; readonly child: Child },
): Promise<FuzzReport> {
  const dice = new Dice(plan.seed);
  const errors: unknown[] = [];
  const port = await child.listening();
  const reader = await Reader.open('bystander', port, errors);
  const writer = new Writer('neighbour', {
    site: openSite('neighbour', port, errors),
    dice: dice.fork(),
  });
  await writer.site.store.ready;
  const timer = setInterval(() => writer.write(), 5);
  const sum = (of: (attacker: Attacker) => number): number =>
    attackers.reduce((total, each) => total + of(each), 0);
  const sent = (): void => plan.progress?.(sum(({ frames }) => frames));
  const attackers: readonly Attacker[] = manners.map(
    (manner, index) => new Attacker(`f${index}`, port, { manner, dice: dice.fork(), sent }),
  );
  const knocks = Math.ceil(plan.frames / 400);
  try {
    const share = Math.ceil(plan.frames / attackers.length);
    await Promise.all(attackers.map((each) => each.attack(share / 10)));
    const early = await child.rss();
    await Promise.all([
      ...attackers.map((each) => each.attack(share)),
      knockAround(port, knocks, dice.fork()),
    ]);
    clearInterval(timer);
    const growth = (await child.rss()) - early;
    await writer.settled();
    await pause(300);
    reader.bookmark();
    const late = await Reader.open('latecomer', port, errors);
    const sites = [reader, writer, late].map(({ site }) => site);
    const shown = sites.map(({ store }) => leavesOf(store));
    const histories = [reader, writer, late].map((each) => each.history());
    await Promise.all(sites.map(({ client }) => client.close()));
    const problems: Problem[] = attackers.flatMap((each) =>
      each.problems.map((text) => ({ word: 'answered', text })),
    );
    if (!child.isAlive) problems.push({ word: 'alive', text: child.stderr });
    if (child.stderr !== '') problems.push({ word: 'calm', text: child.stderr.slice(0, 4000) });
    await child.kill();
    const { ops, entries } = await contentOf(directory);
    const truth = new Truth(ops);
    const state = leavesOfTree(truth.stateAt(truth.head));
    for (const [index, leaves] of [...shown, entries].entries()) {
      const wrong = firstDifference(leaves, state);
      if (wrong !== null) problems.push({ word: 'converged', text: `${index}: ${wrong}` });
    }
    for (const error of errors.filter((each) => !isRejection(each))) {
      problems.push({ word: 'calm', text: String(error) });
    }
    problems.push(...judge(histories, truth, { strangers: true }));
    return {
      problems,
      traffic: trafficOf(histories, truth),
      frames: sum(({ frames }) => frames),
      answered: sum(({ answered }) => answered),
      accepted: sum(({ accepted }) => accepted),
      ended: sum(({ ended }) => ended),
      slowest: Math.max(...attackers.map(({ slowest }) => slowest)),
      knocks,
      growth,
    };
  } finally {
    clearInterval(timer);
    await Promise.all([reader, writer].map(({ site }) => site.client.close()));
  }
}
