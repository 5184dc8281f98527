import { describe, expect, it, test } from 'vitest';
import { seed } from '../tools/seed.ts';
import { breakages } from './linear/broken.ts';
import { linearize } from './linear/checker.ts';
import type { Call, State } from './linear/model.ts';
import { runLinear } from './linear/run.ts';

const histories = 600;

it(
  'S35 S37 S44 S46 eight clients that race for a register, a claim and a lock are answered as if one came after the other (P14)',
  { timeout: 240_000 },
  async () => {
    const { failure, calls, answers } = await runLinear({ histories, seed });
    expect(failure).toBeNull();
    expect(calls).toBeGreaterThan(10 * histories);
    for (const kind of ['swap', 'claim', 'acquire', 'fenced', 'renew', 'release', 'remove']) {
      expect([kind, answers.get(`${kind} ok`) ?? 0]).toEqual([kind, expect.toSatisfy(isMany)]);
    }
    for (const kind of ['swap conflict', 'claim exists', 'acquire held', 'fenced fenced']) {
      expect([kind, answers.get(kind) ?? 0]).toEqual([kind, expect.toSatisfy(isMany)]);
    }
  },
);

function isMany(count: number): boolean {
  return count >= 3;
}

describe('the checker', () => {
  it.each(breakages)('notices a server that %s', { timeout: 240_000 }, async (breakage) => {
    const { failure } = await runLinear({ histories: 1000, seed, breakage });
    expect(failure).toContain('no order explains');
  });

  const start: State = { seq: 0, register: null, claim: null, lease: null };
  test('puts calls that overlap in whatever order explains them', () => {
    const lost = claim(1, { refused: 'exists', revision: 1 }, 0, 10);
    const won = claim(2, { seq: 1 }, 5, 20);
    expect(linearize([lost, won], start)).toEqual({ isLinearizable: true, order: [won, lost] });
  });

  test('does not put a call before one that was answered before it was sent', () => {
    const lost = claim(1, { refused: 'exists', revision: 1 }, 0, 4);
    const won = claim(2, { seq: 1 }, 5, 20);
    expect(linearize([lost, won], start).isLinearizable).toBe(false);
  });
});

function claim(client: number, told: Call['told'], from: number, until: number): Call {
  return { client, ask: { kind: 'claim' }, told, from, until };
}
