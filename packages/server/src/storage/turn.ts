const waiting: (() => void)[] = [];

/**
 * Gives the event loop away amid a long look at what is stored. Of all that have more to do one goes on in each turn, in the
 * order in which they came: what everybody else waits for is one slice of work, however many ask for much at once.
 */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(next);
  });
}

function next(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(next);
}

/** Does what is made to be done part by part: others have their turns in between. */
export async function inParts<T>(parts: Generator<void, T, undefined>): Promise<T> {
  for (;;) {
    const part = parts.next();
    if (part.done === true) return part.value;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    await turn();
  }
}
