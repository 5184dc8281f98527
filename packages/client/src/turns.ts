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
 * Makes of a deed one that is never done within itself: what is asked for meanwhile comes after it, in its order, and
 * `then` after the last.
 */
export function inTurn<T>(deed: (of: T) => void, then?: () => void): (of: T) => void {
  let waiting: T[] = [];
  let isBusy = false;
  return (of) => {
    waiting.push(of);
    if (isBusy) return;
    isBusy = true;
    // The list grows while it is walked.
    for (const each of waiting) deed(each);
    waiting = [];
    isBusy = false;
    then?.();
  };
}
