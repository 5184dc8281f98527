// npm run crash -- --kills 1000 [--seed 7]: kills a server under load, and checks that nothing acknowledged is lost.
import { parseArgs } from 'node:util';
import { runKills } from './kill/run.ts';
import { tenths } from './tenths.ts';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '100' }, seed: { type: 'string' } },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
console.log(`${values.kills} kills, seed ${seed}`);
const kills = Number(values.kills);
const progress = tenths(kills, 'kills');
const { problems, traffic, killsAtStart } = await runKills({ kills, seed, progress });
console.log({ ...traffic, killsAtStart });
for (const { word, text } of problems.slice(0, 50)) console.log(`${word}: ${text}`);
console.log(problems.length === 0 ? 'nothing is lost' : `${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
