/** How to look for what is enough. */
export type Shrinking = {
  /** How many milliseconds to look at most; default: 60 000. What has begun by then is waited for. */
  readonly limitMs?: number | undefined;
  /** Hears how many are left each time that there are fewer. */
  readonly tell?: ((left: number) => void) | undefined;
  /** A clock that runs on; default: the system's. */
  readonly now?: (() => number) | undefined;
};

/** The fewest with which something still fails, of those that were tried. */
export type Shrunk<T> = {
  readonly kept: readonly T[];
  /** Whether all was tried that is to be; there may be fewer where the time was over before. */
  readonly isLeast: boolean;
};

const limitDefaultMs = 60_000;

/** Leaves out what is not needed for something still to fail: halves first, then smaller and smaller pieces. */
export async function shrink<T>(
  list: readonly T[],
  fails: (fewer: readonly T[]) => Promise<boolean>,
  { limitMs = limitDefaultMs, tell, now = () => performance.now() }: Shrinking = {},
): Promise<Shrunk<T>> {
  const until = now() + limitMs;
  let kept = list;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < kept.length;) {
      if (now() >= until) return { kept, isLeast: false };
      const fewer = kept.toSpliced(at, size);
      if (await fails(fewer)) {
        kept = fewer;
        tell?.(kept.length);
      } else at += size;
    }
  }
  return { kept, isLeast: true };
}
