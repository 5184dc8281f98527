const triesMax = 300;

/** Leaves out what is not needed for something still to fail: halves first, then smaller and smaller pieces. */
export async function shrink<T>(
  list: readonly T[],
  fails: (fewer: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let kept = list;
  let triesLeft = triesMax;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < kept.length && triesLeft > 0; triesLeft--) {
      const fewer = kept.toSpliced(at, size);
      if (await fails(fewer)) kept = fewer;
      else at += size;
    }
  }
  return kept;
}
