// npm run explore -- --rounds 10 [file …]: the tests that draw lots, each round with other lots.
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '10' } },
  allowPositionals: true,
});
const rounds = Number(values.rounds);
const lots = /from 'fast-check'|\/arbitraries\.ts'|\/tools\/seed\.ts'/;
const files = globSync([
  'packages/*/test/**/*.test.ts',
  'simulation/{torn,linearizability}.test.ts',
]).filter(
  (file) =>
    lots.test(readFileSync(file, 'utf8')) &&
    (positionals.length === 0 || positionals.some((each) => file.includes(each))),
);
const failed: number[] = [];
for (let round = 1; round <= rounds; round += 1) {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`\nround ${round} of ${rounds}: HOLDFAST_SEED=${seed}, ${files.length} files`);
  const { status } = spawnSync('vitest', ['run', '--reporter=dot', ...files], {
    env: { ...process.env, HOLDFAST_SEED: String(seed) },
    stdio: 'inherit',
  });
  if (status !== 0) failed.push(seed);
}
for (const seed of failed) console.log(`failed with HOLDFAST_SEED=${seed}`);
process.exitCode = failed.length === 0 ? 0 : 1;
