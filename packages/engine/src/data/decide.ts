import {
  checkOp,
  type Fence,
  isObject,
  isRefusal,
  type Mutate,
  type Op,
  type OpId,
  type OpName,
  type Path,
  type Precondition,
  type Refusal,
  type RefusalDetails,
  refuse,
  type Seq,
  type Transaction,
  type WriteReply,
  type WriteResult,
} from '@holdfast/protocol';
import { apply } from './apply.ts';
import type { DecideContext, Intent, Outcome } from './context.ts';
import { checkGuards, checkPrecondition } from './guards.ts';
import { isLease, isLeaseWrite } from './leases.ts';
import { outcomeOf } from './outcome.ts';
import { impliedDeletes } from './reach.ts';
import type { Tree } from './tree.ts';

/** What a request comes to: the records of one commit, in order, and the reply. No ops: nothing is committed. */
export type Decision = { readonly ops: readonly Op[]; readonly result: WriteReply };

/** Turns a request into the records of its commit, or says why not; the tree stays as it is (stores.md §4.1–4.3, §5). */
export function decide(
  tree: Tree,
  request: Intent | Transaction,
  context: DecideContext,
): Decision | Refusal {
  if (request.op === 'transact') return decideAll(tree, request, context);
  const refusal = checkGuards(tree, request, context);
  if (refusal !== null) return refusal;
  const commit = new Commit(request.op === 'mutate' ? tree.draft() : tree, context, []);
  const result = commit.write(request);
  return isRefusal(result) ? result : { ops: commit.close(), result };
}

/** Guards are judged on the state before the transaction, each op on the result of those before (stores.md §10.5). */
function decideAll(
  tree: Tree,
  { ops, preconditions }: Transaction,
  context: DecideContext,
): Decision | Refusal {
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
  const result = { store_seq: commit.head, first_seq: context.head + 1, results };
  return { ops: commit.close(), result };
}

function checkAllGuards(
  tree: Tree,
  { ops, preconditions }: Pick<Transaction, 'ops' | 'preconditions'>,
  context: DecideContext,
): Refusal | null {
  for (const [index, condition] of preconditions.entries()) {
    const refusal = checkPrecondition(tree, condition, context);
    if (refusal !== null) return placed(refusal, { precondition_index: index }, condition);
  }
  for (const [index, request] of ops.entries()) {
    const refusal = checkGuards(tree, request, context);
    if (refusal !== null) return placed(refusal, { op_index: index }, request);
  }
  return null;
}

/** What a guard looked at is told; a fence is not at the path of what it guards. */
function placed(refusal: Refusal, index: RefusalDetails, guarded: Precondition | Intent): Refusal {
  const isFenced = refusal.code === 'fenced' || !('path' in guarded);
  return refusal.with(isFenced ? index : { ...index, path: guarded.path });
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

  /** Writes what a request comes to; a mutation on a tree of its own, for each write of it sees those before. */
  write(request: Intent): Result | Refusal {
    return request.op === 'mutate' ? this.#mutate(request) : this.#write(request);
  }

  #mutate(request: Mutate): Result | Refusal {
    const { mutate } = this.#context;
    const writes = mutate?.(this.#tree, request, this.#context) ?? refuse('unknown_record');
    if (isRefusal(writes)) return writes;
    if (writes.length === 0) return { store_seq: this.head, noop: true };
    for (const each of writes) {
      const result = checkOp(each, this.#context.limits) ?? this.#write(each);
      if (isRefusal(result)) return result;
      this.catchUp();
    }
    return { store_seq: this.head };
  }

  #write(request: Exclude<Intent, Mutate>): Result | Refusal {
    const { opId, forced, leases } = this.#context;
    const implied = impliedDeletes(this.#tree, request);
    const outcome = this.#outcome(request, this.head + implied.length + 1);
    if (outcome === null) return { released: false };
    // The table of §5.2 judges a lease op first; elsewhere the protection of leases comes before the type (§7.7).
    if (isRefusal(outcome) && isLeaseWrite(request)) return outcome;
    const fences = forced === true ? null : this.#fences;
    const refusal = fences && leases?.check(this.#tree, request, { implied, fences });
    if (refusal) return refusal;
    if (isRefusal(outcome)) return outcome;
    for (const path of implied) {
      this.#implied++;
      this.#record({ op: 'delete', path }, nothing, `${opId}#${this.#implied}`);
    }
    this.#record(request, outcome, opId);
    return resultOf({ seq: this.head, op: request.op, value: outcome.value });
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

  #outcome(request: Exclude<Intent, Mutate>, seq: Seq): Outcome | Refusal | null {
    const { at, leases, limits } = this.#context;
    if (!isLeaseWrite(request)) return outcomeOf(this.#tree, request, limits);
    return leases?.outcome(this.#tree, request, { at, seq }) ?? null;
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

const nothing: Outcome = { value: null, arg: null };

/** What a write that a record tells of came to, as its reply says it (stores.md §7.5). */
export function resultOf({ seq, op, value }: Pick<Op, 'seq' | 'op' | 'value'>): WriteResult {
  const hash = op === 'put_file' && isObject(value) ? value['hash'] : null;
  if (typeof hash === 'string') return { store_seq: seq, hash };
  if (!isLeaseWrite({ op }) || !isLease(value)) return { store_seq: seq };
  const { token, expires_at, holder } = value;
  return { store_seq: seq, token, expires_at, holder };
}
