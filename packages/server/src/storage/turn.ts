const waiting: (() => void)[] = [];

/** Who looks through what is stored, slice by slice. */
export type Looker = {
  /** Is let in to what takes long; rejects with `rate_limited` where it is not. */
  enter(): Promise<void>;
  /** Lets others have their {@link turn}s before the next slice, and is let in where it has taken long by now. */
  rest(): Promise<void>;
  /** Waits for what others do. */
  wait<T>(others: Promise<T>): Promise<T>;
};

/** Looks as long as it likes. */
export const unbound: Looker = {
  enter: () => Promise.resolve(),
  rest: turn,
  wait: (others) => others,
};

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
export async function inParts<T>(
  parts: Generator<void, T, undefined>,
  rest: () => Promise<void> = turn,
): Promise<T> {
  for (;;) {
    const part = parts.next();
    if (part.done === true) return part.value;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    await rest();
  }
}
