import {
  type Addition,
  apply,
  type Asked,
  type Change,
  checkRules,
  Consult,
  decide,
  type DecideContext,
  type Decision,
  decideImport,
  decideRollback,
  forbidden,
  type Gate,
  leaseRules,
  type MigrateRequest,
  type Mutator,
  type Ruling,
  type Scope,
  type Tree,
  veil,
  type Witness,
} from '../data/index.ts';
import {
  checkOp,
  type Entry,
  type EpochMs,
  isRefusal,
  isReservedPath,
  jsonEquals,
  type Leaf,
  type LeaseValue,
  type Limits,
  type Op,
  type Path,
  Refusal,
  refuse,
  type Seq,
  type WriteReply,
} from '@holdfast/protocol';
import { Effort } from './effort.ts';
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
  readonly gate: Gate | null;
};

/** Something that should not have happened while a request was decided. */
export type Fault = { readonly errorId: string; readonly error: unknown };

type Plain = Exclude<Asked, MigrateRequest>;

type Decided = {
  readonly request: Plain;
  readonly decision: Decision;
  readonly work: Work;
};

type Context = { -readonly [Field in keyof DecideContext]: DecideContext[Field] };

const nothingRemoved: readonly Entry[] = [];

/**
 * A batch while it is decided: each request on the result of those before it, at one instant, on a tree of its own. The
 * committed tree must not change meanwhile.
 */
export class Draft implements Judge<Outcome | Consult> {
  readonly works: Work[] = [];
  readonly ops: LoggedOp[] = [];
  readonly faults: Fault[] = [];
  /** Something was refused, or came to nothing, because of the state. */
  leansOnState = false;
  /** How many leaves were looked through, for mutations or for nothing. */
  looked = 0;
  readonly #base: DraftBase;
  #tree: Tree;
  readonly #answers: Answer[] = [];
  readonly #entries = new Map<Path, Leaf | null>();
  readonly #maps = new Map<Path, Seq | null>();
  readonly #context: Context;
  #removed: Entry[] | null = null;
  #quota: Quota | null;
  /** Whose request is decided. */
  #asker: Submission | null = null;
  /** What a client has it do; null: it is of the server's code. */
  #effort: Effort | null = null;
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
      ...(base.gate && { mutate: this.#mutator(base.gate) }),
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
  judge(work: Work): Outcome | Consult {
    const verdict = work.verdict ?? work.submission.rate?.() ?? null;
    if (verdict !== null) return verdict;
    const { request } = work.submission;
    if (isRefusal(request) && request.code === 'invalid op') return request;
    if (this.#base.archived) return refuse('store_archived');
    if (isRefusal(request)) return request;
    const mark = this.ops.length;
    try {
      return this.#decide(request, work);
    } catch (error) {
      const errorId = `${this.#base.head}.${work.submission.ticket}`;
      this.faults.push({ errorId, error });
      this.#restore(mark);
      return refuse('internal_error', { error_id: errorId });
    }
  }

  #decide(request: Asked, work: Work): Outcome | Consult {
    const { grants, files } = work.submission;
    const ground = grants && { tree: this.#tree, grants };
    const denied = ground && request.op !== 'migrate' && checkRules(ground, request);
    if (denied) {
      this.leansOnState = true;
      return denied;
    }
    const screened = this.#screened(request, work);
    if (screened !== null) return screened;
    if (files) return files;
    const outcome = this.#weigh(request, work);
    if (!ground || !isRefusal(outcome) || request.op === 'migrate') return outcome;
    return veil(outcome, ground, request);
  }

  /** Records may keep somebody from asking at all. */
  #screened(request: Asked, { submission }: Work): Refusal | null {
    const { gate } = this.#base;
    if (gate === null || request.op === 'migrate') return null;
    const { caller = null } = submission;
    const refusal = gate.screen({ tree: this.#tree, request, caller });
    this.leansOnState ||= refusal !== null;
    return refusal;
  }

  #weigh(request: Asked, work: Work): Outcome | Consult {
    const { submission } = work;
    const decision = this.#settle(request, work);
    if (decision instanceof Consult) return decision;
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

  /** What a request comes to, together with what the records add to it. */
  #settle(request: Asked, work: Work): Decision | Refusal | Consult {
    const context = this.#contextOf(work.submission);
    const { gate } = this.#base;
    if (request.op === 'migrate') return this.#migrate(request, context);
    const ops = request.op === 'transact' ? request.ops : [];
    const decision = this.#effort?.transact(ops) ?? decided(this.#tree, request, context);
    if (isRefusal(decision) || decision.ops.length === 0 || gate === null) return decision;
    const ruling = this.#rule(gate, { request, decision, work });
    if (ruling instanceof Consult || isRefusal(ruling)) return ruling;
    if (ruling.length === 0) return decision;
    context.head += ruling.length;
    this.#effort = null;
    const moved = decided(this.#tree, request, context);
    return isRefusal(moved) ? moved : withAdditions(ruling, moved, this.at.wall);
  }

  #migrate(request: MigrateRequest, context: DecideContext): Decision | Refusal {
    const ops = this.#base.gate?.migrate({ tree: this.#tree, request }) ?? [];
    if (isRefusal(ops)) return ops;
    if (ops.length === 0) return { ops: [], result: { store_seq: context.head } };
    for (const op of ops) {
      const fault = isReservedPath(op.path) ? null : checkOp(op, context.limits);
      if (fault === null) continue;
      return refuse('schema_skew', { record: request.record, path: op.path, message: fault.code });
    }
    return decide(this.#tree, { op: 'transact', ops, preconditions: [] }, context);
  }

  #rule(gate: Gate, { request, decision, work }: Decided): Ruling {
    const { caller = null, fileRule: files = null, grants } = work.submission;
    const changes: Change[] = [];
    const after = this.#tree.draft();
    const witness = { leaf: (change: Change) => void changes.push(change), map: () => undefined };
    for (const op of decision.ops) apply(after, op, witness);
    // What a mutation writes is known only now (stores.md §11.2.2).
    const stray = grants && changes.find(({ path }) => !grants.write.covers(path));
    if (stray) return forbidden(pathOf(request));
    return gate.judge({
      request,
      caller,
      files,
      at: this.at.wall,
      before: this.#tree,
      after,
      changes,
      advice: work.advice,
    });
  }

  #mutator(gate: Gate): Mutator {
    return (tree, request, { opId, at }) => {
      const leaves = tree.count(request.path);
      const excess = this.#effort?.look(leaves) ?? null;
      if (excess !== null) return excess;
      this.looked += leaves;
      const writes = gate.mutate({ tree, request, caller: this.#asker?.caller ?? null, opId, at });
      const tooMany = isRefusal(writes) ? null : (this.#effort?.write(writes) ?? null);
      if (tooMany !== null) return tooMany;
      const { fence } = request;
      if (fence === undefined || isRefusal(writes)) return writes;
      return writes.map((each) => Object.assign({}, each, { fence }));
    };
  }

  #contextOf(submission: Submission): Context {
    const context = this.#context;
    context.head = this.head;
    context.deviceId = submission.deviceId;
    context.opId = submission.opId;
    context.principal = submission.principal;
    context.dialect = submission.dialect;
    context.forced = submission.forced ?? false;
    this.#asker = submission;
    const isOfClient = (submission.caller ?? null) !== null;
    this.#effort = isOfClient ? new Effort(this.#base.limits) : null;
    return context;
  }

  #take({ ops, result }: Decision, submission: Submission): void {
    const { deviceId, opId, fingerprint, principal, grants } = submission;
    this.#writable = grants?.write ?? null;
    for (const op of ops) {
      this.#removed = null;
      apply(this.#tree, op, this.#witness);
      this.ops.push(this.#logged(op));
    }
    const seq = this.head;
    const reply = isPlain(result) ? null : result;
    const at = this.at.wall;
    this.#answers.push({ deviceId, opId, fingerprint, seq, at, reply, principal });
  }

  #logged(op: Op): LoggedOp {
    const { seq, path, value, arg, deviceId, clientOpId, tx, at, principal } = op;
    const removed = this.#removed ?? nothingRemoved;
    return { seq, op: op.op, path, value, arg, deviceId, clientOpId, tx, at, principal, removed };
  }

  readonly #witness: Witness = {
    leaf: (change) => this.#note(change),
    map: ([path, revision]) => void this.#maps.set(path, revision),
  };

  #note(change: Change): void {
    const { path, before, after } = change;
    // A bug elsewhere must not let anybody past the path rules: the request fails instead.
    const isOpen = this.#writable === null || isReservedPath(path) || this.#writable.covers(path);
    if (!isOpen) throw new Error(`${path} is not writable.`);
    this.#quota?.leaf(change);
    this.#entries.set(path, after ?? null);
    if (before === undefined) return;
    const { value, type, revision } = before;
    this.#removed ??= [];
    this.#removed.push({ path, value, type, revision });
  }

  /** Gets rid of what a request that failed midway may have done. */
  #restore(mark: number): void {
    this.ops.length = mark;
    this.#entries.clear();
    this.#maps.clear();
    this.#writable = null;
    this.#tree = this.#base.tree.draft();
    this.#quota = this.#base.quota?.fork() ?? null;
    for (const op of this.ops) apply(this.#tree, op, this.#witness);
  }

  /** What this draft acquired or renewed lives, as it is all decided at one instant. */
  #isLive(lease: LeaseValue): boolean {
    return lease.token > this.#base.head || this.#base.leases.isLive(lease, this.at.now);
  }
}

/** The records of a commit to which the authority has added something, which comes first. */
function withAdditions(
  additions: readonly Addition[],
  { ops, result }: Decision,
  at: EpochMs,
): Decision {
  const last = ops.at(-1)?.seq ?? null;
  const first = (ops[0]?.seq ?? 0) - additions.length;
  const added = additions.map(({ path, value }, index): Op => ({
    seq: first + index,
    op: 'set',
    path,
    value,
    arg: null,
    deviceId: 'system:schema',
    clientOpId: `schema:${path}`,
    tx: last,
    at,
    principal: null,
  }));
  return { ops: [...added, ...ops.map((op) => ({ ...op, tx: last }))], result };
}

function pathOf(request: Plain): Path | null {
  return 'path' in request ? request.path : null;
}

function isPlain(reply: WriteReply): boolean {
  return !('token' in reply || 'results' in reply || 'hash' in reply || 'ops_written' in reply);
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

function decided(tree: Tree, request: Plain, context: DecideContext): Decision | Refusal {
  if (request.op === 'import') return decideImport(tree, request, context);
  if (request.op === 'rollback') return decideRollback(tree, request, context);
  return decide(tree, request, context);
}
