import type { ClientEnv } from '@holdfast/client';
import { expect } from 'vitest';

export type Bell = {
  readonly env: Pick<ClientEnv, 'setTimeout' | 'clearTimeout'>;
  /** Returns how many there were. */
  ring(): number;
};

/** Timers of so many milliseconds ring when the test says so. */
export function bell(ofMs: number): Bell {
  const due = new Set<() => void>();
  return {
    env: {
      setTimeout: (run, ms) => {
        if (ms !== ofMs) return setTimeout(run, ms);
        due.add(run);
        return run;
      },
      clearTimeout: (timer) => {
        for (const run of due) if (run === timer) due.delete(run);
        clearTimeout(Number(timer));
      },
    },
    ring: () => {
      const all = [...due];
      due.clear();
      for (const run of all) run();
      return all.length;
    },
  };
}

/** It looks for tabs that are gone so often, as it does every two seconds where there are others. */
export async function looks({ ring }: Bell, times: number): Promise<void> {
  let rung = 0;
  await expect.poll(() => (rung += ring())).toBeGreaterThanOrEqual(times);
}
