import { expect, it } from 'vitest';
import { runFiles } from './files/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['FILE_SEEDS'] ?? 8);

it(
  'S98 S99 an entry of a file and its bytes are seen together or not at all, each upload once, whatever dies and breaks amid it (P62, P63, P64, P65)',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runFiles({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    const { stored, read, peeks } = figures;
    expect([stored, read, peeks].map((each) => each > seeds)).toEqual([true, true, true]);
  },
);

it.each([
  { forgets: 'contents', seen: /together: f\/\d names sha256:\w+, of which null/ },
  { forgets: 'answers', seen: /once: sha256:\w+ was written 2 times/ },
] as const)(
  'are seen to fail where $forgets are forgotten',
  { timeout: 240_000 },
  async (mutant) => {
    const { forgets, seen } = mutant;
    const { failure } = await runFiles({ from: 1, count: 10, shrinks: false, forgets });
    expect(failure?.problems.join('\n')).toMatch(seen);
  },
);
