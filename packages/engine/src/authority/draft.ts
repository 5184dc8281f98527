import {
  apply,
  type Change,
  checkRules,
  decide,
  type DecideContext,
  type Decision,
  decideTransaction,
  decideImport,
  decideRollback,
  type ImportRequest,
  type Intent,
  leaseRules,
  type RollbackRequest,
  type Scope,
  type Tree,
  veil,
} from '../data/index.ts';
import {
  type Entry,
  isRefusal,
  jsonEquals,
  type Leaf,
  type LeaseValue,
  type Limits,
  type Op,
  type Path,
  Refusal,
  refuse,
  type Seq,
  type Transaction,
  type WriteReply,
} from '@holdfast/protocol';
import type { Leases } from './leases.ts';
import type { Quota } from './quota.ts';
import type { Judge } from './turn.ts';
import type { Answer, Batch, Instant, LoggedOp, Submission } from './types.ts';
import type { Outcome, Work } from './work.ts';

/** What a draft begins with. */
export type DraftBase = {
  readonly tree: Tree;
  readonly head: Seq;
  readonly at: Instant;
  readonly archived: boolean;
  readonly leases: Leases;
  readonly limits: Limits;
  readonly quota: Quota | null;
};

/** Something that should not have happened while a request was decided. */
export type Fault = { readonly errorId: string; readonly error: unknown };

type Asked = Intent | Transaction | RollbackRequest | ImportRequest;

type Context = { -readonly [Field in keyof DecideContext]: DecideContext[Field] };

const nothingRemoved: readonly Entry[] = [];

/**
 * A batch while it is decided: each request on the result of those before it, at one instant, on a tree of its own. The
 * committed tree must not change meanwhile.
 */
export class Draft implements Judge {
  readonly works: Work[] = [];
  readonly ops: LoggedOp[] = [];
  readonly faults: Fault[] = [];
  /** Something was refused, or came to nothing, because of the state. */
  leansOnState = false;
  readonly #base: DraftBase;
  #tree: Tree;
  readonly #answers: Answer[] = [];
  readonly #entries = new Map<Path, Leaf | null>();
  readonly #maps = new Map<Path, Seq | null>();
  readonly #context: Context;
  #removed: Entry[] | null = null;
  #quota: Quota | null;
  /** What the principal of the request that is taken may write, where path rules bind it. */
  #writable: Scope | null = null;

  constructor(base: DraftBase) {
    this.#base = base;
    this.#tree = base.tree.draft();
    this.#quota = base.quota?.fork() ?? null;
    this.#context = {
      head: base.head,
      deviceId: '',
      opId: '',
      principal: null,
      at: base.at.wall,
      leases: leaseRules((_path, lease) => this.#isLive(lease)),
      limits: base.limits,
      dialect: 4,
      forced: false,
    };
  }

  get at(): Instant {
    return this.#base.at;
  }

  get head(): Seq {
    return this.#base.head + this.ops.length;
  }

  get tree(): Tree {
    return this.#tree;
  }

  /** How much of the quotas is used with what it would store. */
  get quota(): Quota | null {
    return this.#quota;
  }

  /** How much it would store. */
  get size(): number {
    return this.ops.length + this.#entries.size;
  }

  /** Whether the log went on with just what the draft would store. */
  isIn(log: readonly LoggedOp[]): boolean {
    return this.ops.every((op, index) => isSame(op, log[index]));
  }

  content(): Batch {
    return {
      ops: this.ops,
      entries: [...this.#entries],
      maps: [...this.#maps],
      answers: this.#answers,
    };
  }

  /** The checks from the rate limiter's on, in the order of stores.md §7.7. */
  judge(work: Work): Outcome {
    const verdict = work.verdict ?? work.submission.rate?.() ?? null;
    if (verdict !== null) return verdict;
    const { request } = work.submission;
    if (isRefusal(request) && request.code === 'invalid op') return request;
    if (this.#base.archived) return refuse('store_archived');
    if (isRefusal(request)) return request;
    const mark = this.ops.length;
    try {
      return this.#decide(request, work.submission);
    } catch (error) {
      const errorId = `${this.#base.head}.${work.submission.ticket}`;
      this.faults.push({ errorId, error });
      this.#restore(mark);
      return refuse('internal_error', { error_id: errorId });
    }
  }

  #decide(request: Asked, submission: Submission): Outcome {
    const { grants } = submission;
    const ground = grants && { tree: this.#tree, grants };
    const forbidden = ground && checkRules(ground, request);
    if (forbidden) {
      this.leansOnState = true;
      return forbidden;
    }
    if (submission.files) return submission.files;
    const outcome = this.#weigh(request, submission);
    return ground && isRefusal(outcome) ? veil(outcome, ground, request) : outcome;
  }

  #weigh(request: Asked, submission: Submission): Outcome {
    const decision = decided(this.#tree, request, this.#contextOf(submission));
    if (decision instanceof Refusal || decision.ops.length === 0) {
      this.leansOnState = true;
      return decision instanceof Refusal ? decision : decision.result;
    }
    const excess = this.#quota?.judge(this.#tree, decision.ops) ?? null;
    if (excess !== null) {
      this.leansOnState = true;
      return excess;
    }
    this.#take(decision, submission);
    return decision.result;
  }

  #contextOf(submission: Submission): DecideContext {
    const context = this.#context;
    context.head = this.head;
    context.deviceId = submission.deviceId;
    context.opId = submission.opId;
    context.principal = submission.principal;
    context.dialect = submission.dialect;
    context.forced = submission.forced ?? false;
    return context;
  }

  #take({ ops, result }: Decision, { deviceId, opId, fingerprint, grants }: Submission): void {
    this.#writable = grants?.write ?? null;
    for (const op of ops) {
      this.#removed = null;
      this.#apply(op);
      this.ops.push(this.#logged(op));
    }
    const seq = this.head;
    const reply = isPlain(result) ? null : result;
    this.#answers.push({ deviceId, opId, fingerprint, seq, at: this.at.wall, reply });
  }

  #logged(op: Op): LoggedOp {
    const { seq, path, value, arg, deviceId, clientOpId, tx, at, principal } = op;
    const removed = this.#removed ?? nothingRemoved;
    return { seq, op: op.op, path, value, arg, deviceId, clientOpId, tx, at, principal, removed };
  }

  #apply(op: Op): void {
    const maps = apply(this.#tree, op, this.#note);
    for (const [path, revision] of maps) this.#maps.set(path, revision);
  }

  readonly #note = (change: Change): void => {
    const { path, before, after } = change;
    // A bug elsewhere must not let anybody past the path rules: the request fails instead.
    if (this.#writable?.covers(path) === false) throw new Error(`${path} is not writable.`);
    this.#quota?.note(change);
    this.#entries.set(path, after ?? null);
    if (before === undefined) return;
    const { value, type, revision } = before;
    this.#removed ??= [];
    this.#removed.push({ path, value, type, revision });
  };

  /** Gets rid of what a request that failed midway may have done. */
  #restore(mark: number): void {
    this.ops.length = mark;
    this.#entries.clear();
    this.#maps.clear();
    this.#writable = null;
    this.#tree = this.#base.tree.draft();
    this.#quota = this.#base.quota?.fork() ?? null;
    for (const op of this.ops) this.#apply(op);
  }

  /** What this draft acquired or renewed lives, as it is all decided at one instant. */
  #isLive(lease: LeaseValue): boolean {
    return lease.token > this.#base.head || this.#base.leases.isLive(lease, this.at.now);
  }
}

function isPlain(reply: WriteReply): boolean {
  return !('token' in reply || 'results' in reply || 'hash' in reply);
}

function isSame(mine: Op, found: Op | undefined): boolean {
  return (
    found !== undefined &&
    mine.seq === found.seq &&
    mine.deviceId === found.deviceId &&
    mine.clientOpId === found.clientOpId &&
    mine.op === found.op &&
    mine.path === found.path &&
    mine.tx === found.tx &&
    jsonEquals(mine.value, found.value)
  );
}

function decided(tree: Tree, request: Asked, context: DecideContext): Decision | Refusal {
  if (request.op === 'transact') return decideTransaction(tree, request, context);
  if (request.op === 'import') return decideImport(tree, request, context);
  if (request.op === 'rollback') return decideRollback(tree, request, context);
  return decide(tree, request, context);
}
