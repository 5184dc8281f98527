import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Figure, type Result, type Round, summarise } from './figure.ts';
import { figures } from './figures/index.ts';
import { HistoryError } from './history/error.ts';

/** Measures every figure against its limit, alternating, and writes `bench/results.json`. `--only a,b` measures some again. */
const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
  },
});
const only = options.only?.split(',');
const chosen = figures.filter(({ id }) => only === undefined || only.includes(id));
const results: Record<string, Result> = {};
const wrong: string[] = [];
for (const figure of chosen) {
  try {
    const result = summarise(figure, await rounds(figure));
    results[figure.id] = result;
    console.log(line(figure.id, result));
  } catch (error) {
    // It tells nothing, not even what it told before; the others are measured all the same.
    if (!(error instanceof HistoryError)) throw error;
    wrong.push(figure.id);
    console.error(`${figure.id}: no figure: ${error.message}`);
  }
}
if (!options.quick) {
  const file = new URL('./results.json', import.meta.url);
  // What was left out keeps the figures of its last run.
  const last: unknown = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  // `npm run load` measures its own.
  const kept = Object.entries(Object(last)).filter(
    ([id]) => (only !== undefined && !wrong.includes(id)) || id.startsWith('load-'),
  );
  writeFileSync(
    file,
    `${JSON.stringify(Object.assign(Object.fromEntries(kept), results), null, 2)}\n`,
  );
}
if (wrong.length > 0) process.exitCode = 1;
const missed = Object.values(results).filter(({ pass }) => !pass).length;
if (missed > 0 && !options.quick) {
  console.error(`${missed} of ${chosen.length} goals missed`);
  process.exitCode = 1;
}

async function rounds(figure: Figure): Promise<Round[]> {
  const done: Round[] = [];
  const count = options.quick ? 1 : Number(options.rounds);
  for (let round = 1; round <= count; round += 1) {
    if (process.stderr.isTTY) process.stderr.write(`\r${figure.id}: round ${round} of ${count}\r`);
    done.push(await figure.measure(options.quick));
  }
  return done;
}

function line(id: string, { ours, limit, unit, ratio, goal, pass }: Result): string {
  const cells = [id.padEnd(20), `${ours}`.padStart(9), `${limit}`.padStart(9), unit.padEnd(12)];
  return `${cells.join('  ')}  ${`${ratio}`.padStart(7)}  ${goal.padEnd(8)}  ${pass ? 'ok' : 'MISSED'}`;
}
