import { expect, it } from 'vitest';
import { type DeployMutant, deployMutants } from './deploys/mutants.ts';
import { runDeploys } from './deploys/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['DEPLOY_SEEDS'] ?? 6);

it(
  'R105 R142 while a server and its clients go over to another major of a record, each at its time, objects and version change in one commit, every write ends once, and afterwards everybody may write, in all weathers',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runDeploys({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.commits).toBeGreaterThan(20 * seeds);
    expect(figures.migrated).toBeGreaterThan(seeds / 2);
  },
);

it.each(Object.entries(deployMutants) as [DeployMutant, string][])(
  'its checkers notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const { failure } = await runDeploys({ from: 1, count: 6, shrinks: false }, mutant);
    expect(failure?.problems.join('\n')).toContain(`${word}: `);
  },
);
