import type { ClientEnv } from './env.ts';
import { soon } from './turns.ts';

/**
 * Rounds of delivery, each after what runs now. What a round brings about waits for a task of its own, so that neither a
 * long listing nor a subscriber that writes holds up the event loop (stores.md §18 C21).
 */
export function rounds(env: ClientEnv, deliver: () => void): () => void {
  let isInRound = false;
  const round = (): void => {
    isInRound = true;
    deliver();
    isInRound = false;
  };
  return soon(round, (run) => {
    if (isInRound) env.setTimeout(run, 0);
    else queueMicrotask(run);
  });
}
