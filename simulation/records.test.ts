import { expect, it } from 'vitest';
import { type RecordMutant, recordMutants, runRecords } from './records/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['RECORD_SEEDS'] ?? 3);

it(
  'R259 R260 records that come by a channel, by events and over a rough bus, with schemas that throw and majors that differ, show nothing older, ask no more than goes wrong, and end as the server has them',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, world } = await runRecords({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(world.shown).toBeGreaterThan(100 * seeds);
    expect(world.commits).toBeGreaterThan(20 * seeds);
    expect(world.asked).toBeGreaterThan(seeds);
  },
);

it.each(Object.entries(recordMutants) as [RecordMutant, string][])(
  'the checkers notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const { failure } = await runRecords({ from: 1, count: 10, shrinks: false }, { mutant });
    expect(failure?.problems.join('\n')).toContain(`${word}:`);
  },
);
