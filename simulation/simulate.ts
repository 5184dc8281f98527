// npm run simulate -- --seeds 10000 [--seed 7]: runs worlds of machines under seeded misfortune. SEED=7 runs one again.
import { parseArgs } from 'node:util';
import { report, runSeed, runSeeds } from './world/run.ts';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '1000' }, seed: { type: 'string' } },
});
const one = process.env['SEED'];
if (one === undefined) many();
else again(Number(one));

function again(seed: number): void {
  const { problems } = runSeed(seed);
  console.log(problems.length === 0 ? `seed ${seed}: nothing is wrong` : report(seed));
  process.exitCode = problems.length === 0 ? 0 : 1;
}

function many(): void {
  const from = Number(values.seed ?? Date.now() % 1_000_000_000);
  const { seeds, traffic, failure } = runSeeds(from, (done) => done >= Number(values.seeds));
  console.log(`${seeds} seeds from ${from}`, traffic);
  if (failure !== null) console.log(failure);
  process.exitCode = failure === null ? 0 : 1;
}
