/** Makes of a deed one that is done in a microtask, or when `later` says: once for all who ask for it until then. */
export function soon(
  deed: () => void,
  later: (run: () => void) => void = queueMicrotask,
): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    later(() => {
      isDue = false;
      deed();
    });
  };
}

/**
 * Makes of a deed one that is done for each of a list, and never within itself: what is asked for meanwhile comes after it,
 * in its order, and `then` after the last. One that throws keeps no other from its turn.
 */
export function inTurn<T>(
  deed: (of: T) => void,
  report: (error: unknown) => void,
  then?: () => void,
): (all: readonly T[]) => void {
  let waiting: T[] = [];
  let isBusy = false;
  return (all) => {
    for (const each of all) waiting.push(each);
    if (isBusy) return;
    isBusy = true;
    // The list grows while it is walked.
    for (const each of waiting) {
      try {
        deed(each);
      } catch (error) {
        report(error);
      }
    }
    waiting = [];
    isBusy = false;
    then?.();
  };
}
