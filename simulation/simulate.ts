// npm run simulate -- --seeds 100000 [--from 7] [--hosts]: runs the worlds of many seeds, of machines or of whole hosts.
// npm run simulate -- --seed 7 [--hosts]: runs one again, to the last message.
import { parseArgs } from 'node:util';
import { runHosts } from './hosts/run.ts';
import { failureText } from './src/simulate.ts';
import { runSeeds } from './world/run.ts';

const progressMs = 5000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string' },
    hosts: { type: 'boolean', default: false },
  },
});
const one = values.seed ?? process.env['SEED'];
const count = one === undefined ? Number(values.seeds ?? 1000) : Number(values.seeds ?? 1);
const from = Number(one ?? values.from ?? Date.now() % 1_000_000_000);
const kind = values.hosts ? 'hosts' : 'machines';
console.log(`${count} seeds of ${kind} from ${from}`);

let told = performance.now();
const failure = values.hosts ? await ofHosts() : ofMachines();
console.log(failure ?? 'nothing is wrong');
process.exitCode = failure === null ? 0 : 1;

async function ofHosts(): Promise<string | null> {
  const { failure: found, traffic, crashes } = await runHosts(from, count, progress);
  console.log({ ...traffic, crashes });
  return found === null ? null : failureText(found);
}

function ofMachines(): string | null {
  const result = runSeeds(from, (done) => {
    progress(done);
    return done >= count;
  });
  console.log(result.traffic);
  return result.failure;
}

function progress(done: number): void {
  if (performance.now() - told < progressMs) return;
  told = performance.now();
  console.log(`${done} of ${count} seeds`);
}
