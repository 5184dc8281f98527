import {
  type Fence,
  isRefusal,
  type Json,
  type Op,
  type OpName,
  type Path,
  type OpId,
  type Refusal,
  refuse,
  type Seq,
  type Transaction,
  type WriteReply,
  type WriteResult,
} from '@holdfast/protocol';
import { apply } from './apply.ts';
import type { DecideContext, Intent } from './context.ts';
import { checkGuards, checkPrecondition, isLease } from './guards.ts';
import { acquire, extend, isReleasable, members, nothing, type Outcome, total } from './outcome.ts';
import { checkLeases, impliedDeletes, isLeaseOp } from './reach.ts';
import type { Tree } from './tree.ts';

/** What a request comes to: the records of one commit, in order, and the reply. No ops: nothing is committed. */
export type Decision = { readonly ops: readonly Op[]; readonly result: WriteReply };

/** A decided transaction: `result` is the whole reply, `results` its part per op (stores.md §10.5.3). */
export type TransactionDecision = Decision & { readonly results: readonly WriteResult[] };

/** Turns one write into the records of its commit, or says why not; changes nothing (stores.md §4.1–4.3, §5). */
export function decide(tree: Tree, request: Intent, context: DecideContext): Decision | Refusal {
  const refusal = checkGuards(tree, request, context);
  if (refusal !== null) return refusal;
  const commit = new Commit(tree, context, []);
  const result = commit.write(request);
  return isRefusal(result) ? result : { ops: commit.close(), result };
}

/**
 * Turns a transaction into the records of its commit, or says why not; the tree stays as it is. Guards are judged on it,
 * each op on the result of those before (stores.md §10.5).
 */
export function decideTransaction(
  tree: Tree,
  { ops, preconditions }: Transaction,
  context: DecideContext,
): TransactionDecision | Refusal {
  const refusal = checkAllGuards(tree, { ops, preconditions }, context);
  if (refusal !== null) return refusal;
  const fences = preconditions.flatMap((each) => (each.kind === 'fence' ? [each.fence] : []));
  const commit = new Commit(tree.draft(), context, fences);
  const results: WriteResult[] = [];
  for (const [index, request] of ops.entries()) {
    const result = commit.write(request);
    if (isRefusal(result)) return result.with({ op_index: index });
    if ('released' in result) return refuse('not_held', { op_index: index });
    results.push(result);
    if (index < ops.length - 1) commit.catchUp();
  }
  const records = commit.close();
  const reply = { store_seq: commit.head, first_seq: context.head + 1, results };
  return { ops: records, result: reply, results };
}

function checkAllGuards(
  tree: Tree,
  { ops, preconditions }: Pick<Transaction, 'ops' | 'preconditions'>,
  context: DecideContext,
): Refusal | null {
  for (const [index, condition] of preconditions.entries()) {
    const refusal = checkPrecondition(tree, condition, context);
    if (refusal === null) continue;
    const where = condition.kind === 'fence' ? {} : { path: condition.path };
    return refusal.with({ precondition_index: index, ...where });
  }
  for (const [index, request] of ops.entries()) {
    const refusal = checkGuards(tree, request, context);
    if (refusal === null) continue;
    const where = refusal.code === 'fenced' ? {} : { path: request.path };
    return refusal.with({ op_index: index, ...where });
  }
  return null;
}

type Result = WriteResult | { readonly released: false };

type Draft = { -readonly [Field in keyof Op]: Op[Field] };

/** The ops of one commit while they are decided. */
class Commit {
  readonly #tree: Tree;
  readonly #context: DecideContext;
  readonly #fences: readonly Fence[];
  readonly #ops: Draft[] = [];
  #implied = 0;
  #applied = 0;

  constructor(tree: Tree, context: DecideContext, fences: readonly Fence[]) {
    this.#tree = tree;
    this.#context = context;
    this.#fences = fences;
  }

  get head(): Seq {
    return this.#context.head + this.#ops.length;
  }

  write(request: Intent): Result | Refusal {
    if (request.op === 'release' && !isReleasable(this.#tree, request)) return { released: false };
    const implied = impliedDeletes(this.#tree, request);
    const outcome = this.#outcome(request, this.head + implied.length + 1);
    const refusal = this.#refusal(request, implied, outcome);
    if (refusal !== null) return refusal;
    if (isRefusal(outcome)) return outcome;
    for (const path of implied) {
      this.#implied++;
      this.#record({ op: 'delete', path }, nothing, `${this.#context.opId}#${this.#implied}`);
    }
    this.#record(request, outcome, this.#context.opId);
    return { store_seq: this.head, ...leaseFields(outcome.value, request.op) };
  }

  /** Applies what has been decided since the last time, so that the next op sees it. */
  catchUp(): void {
    for (const op of this.#ops.slice(this.#applied)) apply(this.#tree, op);
    this.#applied = this.#ops.length;
  }

  /** The finished records; those of a commit of several carry its last seq (stores.md §1.2.4). */
  close(): readonly Op[] {
    if (this.#ops.length > 1) for (const op of this.#ops) op.tx = this.head;
    return this.#ops;
  }

  // A lease op is judged by the table of §5.2 first; elsewhere the protection of leases comes before the type (§7.7).
  #refusal(request: Intent, implied: readonly Path[], outcome: Outcome | Refusal): Refusal | null {
    if (isLeaseOp(request.op) && isRefusal(outcome)) return outcome;
    const own = 'fence' in request ? request.fence : undefined;
    const fences = own === undefined ? this.#fences : [...this.#fences, own];
    return checkLeases(request, { tree: this.#tree, context: this.#context, implied, fences });
  }

  #outcome(request: Intent, seq: Seq): Outcome | Refusal {
    switch (request.op) {
      case 'set':
      case 'merge':
      case 'put_file':
        return { value: request.value, arg: null };
      case 'increment':
        return total(this.#tree, request);
      case 'add':
      case 'remove':
        return members(this.#tree, request, this.#context.limits);
      case 'lease':
        return acquire(this.#tree, request, { ...this.#context, token: seq });
      case 'renew':
        return extend(this.#tree, request, this.#context);
      case 'delete':
      case 'release':
        break;
    }
    return nothing;
  }

  #record(
    { op, path }: { readonly op: OpName; readonly path: Path },
    { value, arg }: Outcome,
    clientOpId: OpId,
  ): void {
    const { deviceId, at, principal } = this.#context;
    const seq = this.head + 1;
    this.#ops.push({ seq, op, path, value, arg, deviceId, clientOpId, tx: null, at, principal });
  }
}

function leaseFields(value: Json, op: OpName): Omit<WriteResult, 'store_seq'> {
  if (!(op === 'lease' || op === 'renew') || !isLease(value)) return {};
  const { token, expires_at, holder } = value;
  return { token, expires_at, holder };
}
