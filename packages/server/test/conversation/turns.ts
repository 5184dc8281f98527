/** Far more turns of the event loop than an answer takes within one process. */
const turnsMax = 10_000;

/**
 * What is on its way already. Where it is not, this rejects: a test that waits for what only time brings would hang, for
 * its clock stands still.
 */
export async function dueNow<T>(coming: Promise<T>): Promise<T> {
  const state = { isHere: false };
  const here = (): void => void (state.isHere = true);
  void coming.then(here, here);
  for (let turn = 0; !state.isHere && turn < turnsMax; turn++) {
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (!state.isHere) throw new Error('nothing came, and no time passes');
  return coming;
}
