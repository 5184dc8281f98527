// npm run fuzz -- --frames 1000000 [--seed 7]: sends a server all kinds of bad input, and checks that it harms nobody.
import { parseArgs } from 'node:util';
import { runFuzz } from './fuzz/run.ts';
import { tenths } from './tenths.ts';

const { values } = parseArgs({
  options: { frames: { type: 'string', default: '100000' }, seed: { type: 'string' } },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
console.log(`${values.frames} frames, seed ${seed}`);
const frames = Number(values.frames);
const progress = tenths(frames, 'frames');
const { problems, ...figures } = await runFuzz({ frames, seed, progress });
console.log(figures);
for (const { word, text } of problems.slice(0, 50)) console.log(`${word}: ${text}`);
console.log(problems.length === 0 ? 'no harm done' : `${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
