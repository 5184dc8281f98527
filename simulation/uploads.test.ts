import { expect, it } from 'vitest';
import { failureText } from './src/simulate.ts';
import { type UploadMutant, uploadMutants } from './uploads/mutants.ts';
import { runUploads } from './uploads/run.ts';

const seeds = Number(process.env['UPLOAD_SEEDS'] ?? 4);
const spoiledMax = 6;

it(
  'V57 V59 files that are brought to views over a network and a server that break arrive whole, are taken once, and end as their senders are told',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runUploads({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    const { completed, taken, succeeded, lost } = figures;
    expect([completed, succeeded, lost].map((each) => each > seeds)).toEqual([true, true, true]);
    expect(taken).toBeGreaterThan(0);
  },
);

it.each(Object.entries(uploadMutants) as [UploadMutant, string][])(
  'their checkers notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const some = { from: 1, count: spoiledMax, shrinks: false };
    const { failure } = await runUploads(some, mutant);
    expect(failure?.problems.join('\n')).toContain(` ms: ${word}: `);
  },
);
