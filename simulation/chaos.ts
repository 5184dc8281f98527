// npm run chaos -- --seconds 300 [--seed 7]: real servers, clients and a browser behind a network that does its worst.
import { parseArgs } from 'node:util';
import { runChaos } from './chaos/run.ts';
import { hasChromium } from './chaos/tab.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    quiet: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
console.log(`${values.seconds} s, seed ${seed}, ${hasChromium ? 'with' : 'WITHOUT'} Chromium`);
const { problems, ...counts } = await runChaos({
  seconds: Number(values.seconds),
  seed,
  browser: hasChromium,
  progress: (at, text) => {
    if (!values.quiet) console.log(`${(at / 1000).toFixed(1).padStart(6)} s ${text}`);
  },
});
console.log(counts);
for (const { word, text } of problems.slice(0, 50)) console.log(`${word}: ${text}`);
console.log(problems.length === 0 ? 'nothing is lost' : `${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
