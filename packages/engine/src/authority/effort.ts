import { type Asked, targets, type Tree } from '../data/index.ts';
import {
  isPlainObject,
  isRefusal,
  type Json,
  type Limits,
  type Refusal,
  refuse,
  type Transaction,
  type Write,
} from '@holdfast/protocol';
import type { Submission } from './types.ts';

const LOOKED_MAX = 1_000_000;
const WRITTEN_MAX = 100_000;
/** So many of the largest writes that there may be pass in one request. */
const WRITES = 10;

/**
 * What the ops of one request come to together, in leaves. Each of them is within the limits of one write, but all writers of
 * the store wait for a thousand of them; and mutations are named in few bytes, however much they read and write.
 */
export class Effort {
  readonly #writtenMax: number;
  #looked = 0;
  #written = 0;

  constructor({ max_leaves_per_write: most }: Pick<Limits, 'max_leaves_per_write'>) {
    this.#writtenMax = Math.max(WRITTEN_MAX, WRITES * most);
  }

  /** Why no mutation may read so much more; null if it may. */
  look(leaves: number): Refusal | null {
    this.#looked += leaves;
    return this.#looked > LOOKED_MAX ? refuse('too_many_leaves', { limit: LOOKED_MAX }) : null;
  }

  /** Why there may not be so many writes; null if there may. */
  write(ops: readonly Write[]): Refusal | null {
    for (const each of ops) this.#written += 'value' in each ? leavesIn(each.value) : 1;
    const limit = this.#writtenMax;
    return this.#written > limit ? refuse('too_many_leaves', { limit }) : null;
  }

  /** Why a transaction may not have so many; those of its mutations are known when they have run. */
  transact(ops: Transaction['ops']): Refusal | null {
    for (const [index, each] of ops.entries()) {
      const excess = each.op === 'mutate' ? null : this.write([each]);
      if (excess !== null) return excess.with({ op_index: index });
    }
    return null;
  }
}

function leavesIn(value: Json): number {
  const children = isPlainObject(value) ? Object.values(value) : [];
  let leaves = 0;
  for (const child of children) leaves += leavesIn(child);
  return Math.max(1, leaves);
}

/** What refuses a request before it is looked at (stores.md §7.7). */
const before: ReadonlySet<string> = new Set([
  'blocked',
  'rate_limited',
  'overloaded',
  'store_archived',
]);
/** Guards look at one path; the rules of who may see or write a part only may have looked through it before. */
const guards: ReadonlySet<string> = new Set(['conflict', 'exists', 'fenced']);

/** Whether no leaves were looked through before a request was refused. */
export function isAtOnce(
  { code }: Refusal,
  { request, grants }: Pick<Submission, 'request' | 'grants'>,
): boolean {
  if (before.has(code)) return true;
  const isOpen = !grants || (grants.read.isWhole && grants.write.isWhole);
  return isOpen && guards.has(code) && !mutates(request);
}

/** The code of a mutation may refuse by any name, and after what stands before it in a transaction. */
function mutates(request: Asked | Refusal): boolean {
  if (isRefusal(request) || request.op !== 'transact') return false;
  return request.ops.some(({ op }) => op === 'mutate');
}

/** How many leaves there are where a request would write: as many may be looked at before it is refused. */
export function leavesAt(tree: Tree, request: Asked | Refusal): number {
  if (isRefusal(request)) return 0;
  const { op } = request;
  if (op === 'transact') {
    return request.ops.reduce((leaves, each) => leaves + leavesAt(tree, each), 0);
  }
  // How long these take is not told by that.
  if (op === 'import' || op === 'migrate' || op === 'mutate' || op === 'rollback') return 0;
  return targets(request).reduce((leaves, path) => leaves + tree.count(path), 0);
}
