/** How often a second something can be done, when it has been done for a while. */
export function timed(run: () => unknown, quick: boolean): number {
  const seconds = quick ? 0.05 : 1;
  rateOf(run, seconds / 2);
  return rateOf(run, seconds);
}

function rateOf(run: () => unknown, seconds: number): number {
  const startedAt = performance.now();
  let count = 0;
  let elapsed = 0;
  while (elapsed < seconds * 1000) {
    run();
    count += 1;
    elapsed = performance.now() - startedAt;
  }
  return (count * 1000) / elapsed;
}
