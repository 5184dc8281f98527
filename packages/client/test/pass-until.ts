import type { VirtualClock } from '../../server/test/conversation/clock.ts';

/** Lets time pass, step by step, until something has come: what is on its way meanwhile comes in real turns. */
export async function passUntil(clock: VirtualClock, coming: Promise<unknown>): Promise<void> {
  const state = { isDue: true };
  const come = (): void => void (state.isDue = false);
  void coming.then(come, come);
  while (state.isDue) {
    // oxlint-disable-next-line no-await-in-loop -- one step of time after the other
    await clock.pass(10);
    // oxlint-disable-next-line no-await-in-loop -- what is on its way comes
    await new Promise((resolve) => setImmediate(resolve));
  }
}
