import { expect, it } from 'vitest';
import { runParts } from './parts/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['PART_SEEDS'] ?? 8);

it(
  'S83 S101 S102 clients that hold parts of a store, whatever they widen and narrow and whatever their rules become, are brought nothing else and end with all of it (P59, P60, P75, P76)',
  { timeout: 120_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, passed } = await runParts({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked === undefined) expect(passed).toBeGreaterThan(20 * seeds);
  },
);

it('are seen to fail where the server forgets the rules', { timeout: 60_000 }, async () => {
  const { failure } = await runParts({ from: 1, count: 10, forgets: true });
  expect(failure?.problems.join('\n')).toMatch(/scoped: guest: \w+ brings \S+ to who has/);
});
