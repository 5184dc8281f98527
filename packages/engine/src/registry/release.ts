import type { Release } from './types.ts';

/** Makes a release that runs its deed at most once. */
export function releaseOnce(deed: () => void): Release {
  let done = false;
  const release = (): void => {
    if (done) return;
    done = true;
    deed();
  };
  return Object.assign(release, { [Symbol.dispose]: release });
}
