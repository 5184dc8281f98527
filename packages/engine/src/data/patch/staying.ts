/**
 * Which numbers of a sequence of different ones make a longest increasing subsequence: their indices, in order. Those
 * below 0 are passed over. O(n log n).
 */
export function longestIncreasing(numbers: readonly number[]): readonly number[] {
  // ends[k]: the index of the least number that ends an increasing run of k + 1.
  const ends: number[] = [];
  const before = Array.from(numbers, () => -1);
  for (let index = 0; index < numbers.length; index++) {
    const number = numbers[index] ?? -1;
    if (number < 0) continue;
    const length = countBelow(ends, numbers, number);
    before[index] = ends[length - 1] ?? -1;
    ends[length] = index;
  }
  const run: number[] = [];
  for (let index = ends.at(-1) ?? -1; index !== -1; index = before[index] ?? -1) run.push(index);
  return run.toReversed();
}

/** How many of the runs end below a number: they end in rising numbers. */
function countBelow(ends: readonly number[], numbers: readonly number[], number: number): number {
  let [low, high] = [0, ends.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const end = numbers[ends[middle] ?? 0] ?? 0;
    if (end < number) low = middle + 1;
    else high = middle;
  }
  return low;
}
