/** So many items are looked at in one part. */
const PART_ITEMS = 5000;

type Compare<T> = (a: T, b: T) => number;

/** Sorts part by part, stable as `toSorted` is: others may have their turns in between, however many there are. */
export function* sorting<T>(
  items: readonly T[],
  compare: Compare<T>,
): Generator<void, readonly T[], undefined> {
  let runs: (readonly T[])[] = [];
  for (let at = 0; at < items.length; at += PART_ITEMS) {
    runs.push(items.slice(at, at + PART_ITEMS).toSorted(compare));
    yield;
  }
  while (runs.length > 1) {
    const fewer: (readonly T[])[] = [];
    for (let at = 0; at < runs.length; at += 2) {
      fewer.push(yield* collected(inOrder(runs[at] ?? [], runs[at + 1] ?? [], compare)));
    }
    runs = fewer;
  }
  return runs[0] ?? [];
}

/** The items of two sorted runs. */
function* inOrder<T>(
  some: readonly T[],
  others: readonly T[],
  compare: Compare<T>,
): Generator<T, void, undefined> {
  const rest = others.values();
  let other = rest.next();
  for (const item of some) {
    for (; other.done !== true && compare(other.value, item) < 0; other = rest.next()) {
      yield other.value;
    }
    yield item;
  }
  for (; other.done !== true; other = rest.next()) yield other.value;
}

function* collected<T>(items: Iterable<T>): Generator<void, readonly T[], undefined> {
  const all: T[] = [];
  for (const item of items) {
    all.push(item);
    if (all.length % PART_ITEMS === 0) yield;
  }
  return all;
}
