import { type Call, type State, step } from './model.ts';

/**
 * Whether calls that overlapped can be put in one order, each at a moment between its sending and its answer, in which a
 * store that does one thing after the other answers the same (Wing and Gong's search, over all orders). Returns the longest
 * order that it found where it cannot.
 */
export function linearize(
  calls: readonly Call[],
  start: State,
): { readonly isLinearizable: boolean; readonly order: readonly Call[] } {
  const search = new Search(calls);
  const isLinearizable = search.from(start, new Set());
  return { isLinearizable, order: search.best };
}

class Search {
  readonly #calls: readonly Call[];
  /** Ways that lead nowhere: what has been taken, and the state after it. */
  readonly #dead = new Set<string>();
  readonly #order: Call[] = [];
  best: readonly Call[] = [];

  constructor(calls: readonly Call[]) {
    this.#calls = calls;
  }

  from(state: State, taken: Set<number>): boolean {
    if (this.#order.length >= this.best.length) this.best = [...this.#order];
    if (taken.size === this.#calls.length) return true;
    const key = `${[...taken].toSorted((a, b) => a - b).join()} ${JSON.stringify(state)}`;
    if (this.#dead.has(key)) return false;
    for (const [index, call] of this.#candidates(taken)) {
      const next = step(state, call);
      if (next === null) continue;
      taken.add(index);
      this.#order.push(call);
      if (this.from(next, taken)) return true;
      this.#order.pop();
      taken.delete(index);
    }
    this.#dead.add(key);
    return false;
  }

  /** What may be next: calls that were sent before any of the others that are left was answered. */
  #candidates(taken: ReadonlySet<number>): readonly (readonly [number, Call])[] {
    const left = [...this.#calls.entries()].filter(([index]) => !taken.has(index));
    const firstAnswer = Math.min(...left.map(([, { until }]) => until));
    return left.filter(([, { from }]) => from <= firstAnswer);
  }
}

/** A call in a line. */
export function callText({ client, ask, told, from, until }: Call): string {
  const when = `${from.toFixed(1)}–${until.toFixed(1)} ms`;
  return `${when} client ${client}: ${JSON.stringify(ask)} -> ${JSON.stringify(told)}`;
}
