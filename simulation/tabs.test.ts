import { expect, it } from 'vitest';
import { runTabs } from './tabs/street.ts';

it('x', { timeout: 120_000 }, async () => {
  for (let seed = Number(process.env['SEED'] ?? 1), n = 0; n < Number(process.env['N'] ?? 5); n++, seed++) {
    const t = performance.now();
    const { problems, figures } = await runTabs(seed);
    console.log(seed, JSON.stringify(figures), Math.round(performance.now() - t), problems.slice(0, 6).map((p) => p.slice(0, 400)));
  }
  expect(1).toBe(1);
});
