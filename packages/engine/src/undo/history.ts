import type { Refusal, Transaction } from '@holdfast/protocol';
import { isRefusal } from '@holdfast/protocol';
import { planOf } from './plan.ts';
import type { Step, UndoView } from './types.ts';

/** Which way: back, or forward again. */
export type Direction = 'undo' | 'redo';

/** A step, and for one that undid or redid another: which. */
type Entry = { readonly step: Step; readonly of: Entry | null };

/**
 * What can be undone and redone of one user's own writes.
 *
 *   own write ──▶ [ undo ] ── undo ──▶ [ redo ]
 *                    ▲                    │
 *                    └────── redo ────────┘        a new own write empties redo
 *
 * 1. Each entry holds what its own write changed; to undo is to take that back by a write of its own, whose changes are
 *    in turn what redo takes back.
 * 2. A write that is refused was never made: its entry goes, and the one that it undid or redid comes back.
 * 3. No more than `limit` steps are kept, the newest.
 */
export class UndoHistory {
  readonly #limit: number;
  readonly #stacks: { readonly [way in Direction]: Entry[] } = { undo: [], redo: [] };

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
    this.#stacks.redo.length = 0;
    this.#push('undo', { step, of: null });
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
    this.#push(way === 'undo' ? 'redo' : 'undo', { step, of });
  }

  /** Gives up the newest step, such as one in conflict. */
  drop(way: Direction): void {
    this.#sweep();
    this.#stacks[way].pop();
  }

  clear(): void {
    this.#stacks.undo.length = 0;
    this.#stacks.redo.length = 0;
  }

  #push(way: Direction, entry: Entry): void {
    const stack = this.#stacks[way];
    stack.push(entry);
    if (stack.length > this.#limit) stack.shift();
  }

  #sweep(): void {
    for (const way of ['undo', 'redo'] as const) {
      const stack = this.#stacks[way];
      const refused = stack.filter(({ step }) => step.fate() === 'refused');
      if (refused.length === 0) continue;
      const kept = stack.filter((entry) => !refused.includes(entry));
      stack.splice(0, stack.length, ...kept);
      for (const { of } of refused) {
        if (of !== null && of.step.fate() !== 'refused') {
          this.#push(way === 'undo' ? 'redo' : 'undo', of);
        }
      }
    }
  }
}
