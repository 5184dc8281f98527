import type { World } from './src/world.ts';

/** Lets time pass in a world while something is not there yet, and no longer than so much. */
export async function waitWhile(
  world: World,
  isLate: () => boolean,
  { patienceMs, stepMs = 500 }: { readonly patienceMs: number; readonly stepMs?: number },
): Promise<void> {
  for (const until = world.now + patienceMs; isLate() && world.now < until;) {
    await world.sleep(stepMs);
  }
}
