import type { Refusal, Transaction } from '@holdfast/protocol';
import { isRefusal } from '@holdfast/protocol';
import { planOf } from './plan.ts';
import type { Step, UndoView } from './types.ts';

/** Which way: back, or forward again. */
export type Direction = 'undo' | 'redo';

/** A step, and for one that undid or redid another: which; the number is that of the user's own write that it began with. */
type Entry = { readonly step: Step; readonly of: Entry | null; readonly number: number };

/**
 * What can be undone and redone of one user's own writes.
 *
 *   own write ──▶ [ undo ] ── undo ──▶ [ redo ]
 *                    ▲                    │
 *                    └────── redo ────────┘        a new own write empties redo
 *
 * 1. Each entry holds what its own write changed; to undo is to take that back by a write of its own, whose changes are
 *    in turn what redo takes back.
 * 2. A write that is refused was never made: its entry goes, and the one that it undid or redid comes back, to its place in
 *    the order of the own writes.
 * 3. No more than `limit` steps are kept, the newest.
 */
export class UndoHistory {
  readonly #limit: number;
  readonly #stacks: { readonly [way in Direction]: Entry[] } = { undo: [], redo: [] };
  /** Undos that nobody can redo any more; while their fate is open, what they undid may come back. */
  #outdone: Entry[] = [];
  #count = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many steps there are each way. */
  count(way: Direction): number {
    this.#sweep();
    return this.#stacks[way].length;
  }

  /** The user has written something. */
  wrote(step: Step): void {
    this.#sweep();
    if (step.changes.length === 0) return;
    this.#outdone.push(...this.#stacks.redo);
    this.#stacks.redo.length = 0;
    this.#count += 1;
    this.#put('undo', { step, of: null, number: this.#count });
  }

  /** What takes the newest step back; `conflict` where somebody else has changed it since; null: there is none. */
  plan(way: Direction, view: UndoView): Transaction | Refusal | null {
    this.#sweep();
    const stack = this.#stacks[way];
    for (let entry = stack.at(-1); entry !== undefined; entry = stack.at(-1)) {
      const plan = planOf(entry.step, view);
      if (isRefusal(plan) || plan.ops.length > 0) return plan;
      // Others have taken it back already.
      stack.pop();
    }
    return null;
  }

  /** The plan was carried out by a write with these changes. */
  took(way: Direction, step: Step): void {
    const of = this.#stacks[way].pop() ?? null;
    this.#put(counterpart(way), { step, of, number: of?.number ?? this.#count });
  }

  /** Gives up the newest step, such as one in conflict. */
  drop(way: Direction): void {
    this.#sweep();
    this.#stacks[way].pop();
  }

  clear(): void {
    this.#stacks.undo.length = 0;
    this.#stacks.redo.length = 0;
    this.#outdone = [];
  }

  /** What was written last is undone first, and redone last. */
  #put(way: Direction, entry: Entry): void {
    const stack = this.#stacks[way];
    const sign = way === 'undo' ? 1 : -1;
    stack.push(entry);
    stack.sort((a, b) => sign * (a.number - b.number));
    if (stack.length > this.#limit) stack.shift();
  }

  #sweep(): void {
    const refused = this.#outdone.filter(isRefused);
    this.#outdone = this.#outdone.filter(({ step }) => step.fate() === 'pending');
    for (const entry of refused) this.#revive(entry, 'redo');
    for (const way of ['undo', 'redo'] as const) {
      const stack = this.#stacks[way];
      const gone = stack.filter(isRefused);
      if (gone.length === 0) continue;
      stack.splice(0, stack.length, ...stack.filter((entry) => !gone.includes(entry)));
      for (const entry of gone) this.#revive(entry, way);
    }
  }

  /** What a refused write undid or redid was not; where that was refused, too, what it had undone or redone, and so on. */
  #revive({ of }: Entry, way: Direction): void {
    let [entry, there] = [of, counterpart(way)];
    while (entry !== null && isRefused(entry)) [entry, there] = [entry.of, counterpart(there)];
    if (entry === null) return;
    const last = this.#stacks.undo.at(-1)?.number ?? 0;
    if (there === 'redo' && last > entry.number) this.#outdone.push(entry);
    else this.#put(there, entry);
  }
}

function counterpart(way: Direction): Direction {
  return way === 'undo' ? 'redo' : 'undo';
}

function isRefused({ step }: Entry): boolean {
  const fate = step.fate();
  return fate === 'refused' || fate === 'cancelled';
}
