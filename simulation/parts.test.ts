import { expect, it } from 'vitest';
import { runParts } from './parts/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['PART_SEEDS'] ?? 8);

it(
  'S83 S101 S102 clients that hold parts of a store, whatever they widen and narrow and whatever their rules become, are brought nothing else, end with all of it, and write nothing else (P59, P60, P75, P76)',
  { timeout: 120_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, passed, written } = await runParts({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(passed).toBeGreaterThan(20 * seeds);
    expect(written).toBeGreaterThan(seeds);
  },
);

it.each([
  { forgets: 'read', seen: /scoped: guest: \w+ brings \S+ to who has/ },
  { forgets: 'write', seen: /barred: the guest wrote \S+ at \d+ ms/ },
] as const)(
  'are seen to fail where the server forgets who may $forgets what',
  { timeout: 60_000 },
  async ({ forgets, seen }) => {
    const { failure } = await runParts({ from: 1, count: 10, forgets });
    expect(failure?.problems.join('\n')).toMatch(seen);
  },
);
