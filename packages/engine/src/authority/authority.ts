import type { Leaf, Path, Seq } from '@holdfast/protocol';
import { apply, type Tree } from '../data/index.ts';
import { Clients } from './clients.ts';
import { takeTurns } from './consults.ts';
import { Draft, type DraftBase } from './draft.ts';
import { Leases } from './leases.ts';
import { ask, hand, noteCommitted } from './lookup.ts';
import { Pending } from './pending.ts';
import { Quota } from './quota.ts';
import { dueOf, idle, isTold, type Phase, type Told } from './phase.ts';
import { overloaded, refuseAll, takeBack, takeTurn, unavailable } from './turn.ts';
import type {
  AuthorityConfig,
  AuthorityDescription,
  AuthorityEffect,
  AuthorityEvent,
  AuthorityInput,
  Instant,
  LoggedOp,
  Submission,
} from './types.ts';
import type { Outcome, Work } from './work.ts';

/*
 * The single writer of one store: requests come in, are decided in order of arrival, stored in batches, and answered.
 *
 *              flush                    answered                 stored
 *      idle ─────────────▶ looking ─────────────▶ appending ─────────────▶ idle
 *       │ ▲  all ids new: ────────────────────────▶ │  │ │
 *       │ │                                  behind │  │ │ failed: refused, idle
 *  grew │ └──────────────── following ◀─────────────┘  │
 *       └──────────────────▶  followed: again          │ unknown
 *                                settling ◀────────────┘
 *                                followed: found, idle; not found, again
 *
 *  A lookup that fails leads to `resting`, a read that fails is made again; `confirming` is an append of nothing where
 *  other nodes write too. "Again" puts the batch back to the front of the queue, takes its turns back, and decides anew.
 *
 * A1  The committed tree is the fold of the log up to `head`; it changes only by ops that are durable.
 * A2  One conversation with the storage at a time. A late or repeated answer changes nothing.
 * A3  What rests on a batch, refusals too, is answered only in the step that hears `stored` or finds it in the log,
 *     after `committed`.
 * A4  `committed` names each seq once, in order, without a gap.
 * A5  Each ticket is answered once; those of one channel in order of arrival, as long as the queue has room.
 * A6  A request is decided as new only if no op of it was in the log at the head that its batch expects.
 * A7  A request whose op may be in the log is not refused before the log was read.
 * A8  Between a refusal that the client will retry and its `unblock`, nothing of a blocking channel is decided.
 */

const unknownMax = 3;
const backOffMinMs = 50;
const backOffMaxMs = 2000;

/** One store's single writer (design.md, The way of a write). */
export class Authority {
  #phase: Phase = idle;
  #tree: Tree;
  #head: Seq;
  /** The log is said to reach this far. */
  #hint: Seq;
  #archived: boolean;
  readonly #batchMax: number;
  readonly #shared: boolean;
  readonly #pending: Pending;
  readonly #clients = new Clients();
  readonly #rules: Pick<DraftBase, 'leases' | 'limits' | 'quota' | 'gate'>;
  #batches = 0;
  #unknowns = 0;
  #backOffMs = backOffMinMs;
  #collecting = false;
  #drain: 'no' | 'asked' | 'done' = 'no';
  #effects: AuthorityEffect[] = [];
  #stepping = false;

  constructor(config: AuthorityConfig) {
    this.#tree = config.tree;
    this.#head = config.head;
    this.#hint = config.head;
    this.#archived = config.archived;
    this.#pending = new Pending(config.limits);
    this.#batchMax = config.batchMax ?? 256;
    this.#shared = config.shared ?? false;
    this.#rules = {
      leases: new Leases(config.at),
      limits: config.limits,
      quota: Quota.of(config.quotas, config.tree),
      gate: config.gate ?? null,
    };
  }

  /** Takes in what happened and returns what to do about it, in this order. Never called from within itself. */
  step(input: AuthorityInput): readonly AuthorityEffect[] {
    assert(!this.#stepping, 'step is not re-entered');
    this.#stepping = true;
    this.#effects = [];
    this.#hear(input, input);
    if (this.#drain === 'asked' && this.#isDone()) {
      this.#drain = 'done';
      this.#effects.push({ type: 'drained' });
    }
    this.#stepping = false;
    return this.#effects;
  }

  /** The committed state, as a tree that stays as it is. */
  view(): { readonly tree: Tree; readonly seq: Seq } {
    return { tree: this.#tree.fork(), seq: this.#head };
  }

  /** What is committed at a path: a leaf, or an assembled map (stores.md §1.3.1). */
  read(path: Path): Leaf | undefined {
    return this.#tree.read(path);
  }

  describe(): AuthorityDescription {
    return {
      head: this.#head,
      phase: this.#phase.kind,
      queued: this.#pending.length,
      leaves: this.#tree.size,
      blocked: this.#pending.blocked,
    };
  }

  #hear(event: AuthorityEvent, at: Instant): void {
    if (event.type === 'submit') this.#admit(event.submission, at);
    else if (event.type === 'consulted') {
      this.#pending.advise(event.ticket, event.advice);
      if (this.#phase.kind === 'idle') this.#rest();
    } else if (isTold(event)) this.#hearStorage(event, at);
    else this.#hearHost(event, at);
  }

  #hearHost(
    event: Exclude<AuthorityEvent, Told | { type: 'submit' | 'consulted' }>,
    at: Instant,
  ): void {
    switch (event.type) {
      case 'flush':
        this.#collecting = false;
        if (this.#phase.kind === 'idle') this.#begin(at);
        break;
      case 'tick':
        this.#wake(at);
        break;
      case 'grew':
        this.#hint = Math.max(this.#hint, event.head);
        if (this.#phase.kind === 'idle') this.#rest();
        break;
      case 'archived':
        this.#archived = event.archived;
        break;
      case 'left':
        this.#pending.left(event.channel);
        break;
      case 'drain':
        if (this.#drain === 'no') this.#drain = 'asked';
    }
  }

  #hearStorage(event: Told, at: Instant): void {
    const phase = this.#phase;
    if (event.type === 'followed') this.#hearLog(event.ops, at);
    else if (event.type === 'unreadable') this.#backOff(phase, at);
    else if (event.type === 'answered') {
      if (phase.kind === 'looking') this.#learn(phase, event, at);
    } else if (phase.kind === 'appending' && phase.batch === event.batch) {
      if (event.type === 'stored') {
        this.#commit(phase.draft);
        this.#rest();
      } else this.#drop(phase.draft, event.type, at);
    }
  }

  #admit(submission: Submission, at: Instant): void {
    const refusal = this.#drain === 'no' ? this.#pending.admit(submission, at) : unavailable();
    if (refusal !== null) this.#reply(submission, refusal);
    else if (this.#phase.kind === 'idle') this.#collect();
  }

  /** Removes from the queue what has waited too long; only while no turn is out that might be taken back. */
  #expire(at: Instant): void {
    const judge = refuseAll(overloaded());
    for (const work of this.#pending.takeExpired(at)) {
      this.#answer(work, takeTurn(work, at.now, judge));
    }
  }

  #refuse({ works }: Draft, at: Instant): void {
    takeBack(works);
    const judge = refuseAll(unavailable());
    for (const work of works) this.#answer(work, takeTurn(work, at.now, judge));
  }

  #answer(work: Work, outcome: Outcome): void {
    this.#pending.close(work);
    this.#reply(work.submission, outcome);
  }

  #reply({ ticket }: Submission, answer: Outcome): void {
    this.#effects.push({ type: 'reply', ticket, answer });
  }

  /** Takes a batch off the queue. */
  #begin(at: Instant): void {
    this.#pending.unpark();
    this.#expire(at);
    const works = this.#pending.take(this.#batchMax);
    if (works.length === 0) return this.#rest();
    const asked = ask(works, this.#clients);
    if (asked === null) return this.#decide(works, at);
    this.#phase = { kind: 'looking', works, clients: asked.clients };
    this.#effects.push({ type: 'lookup', ids: asked.ids, clients: [...asked.clients] });
  }

  #learn(
    phase: Phase & { kind: 'looking' },
    found: Told & { type: 'answered' },
    at: Instant,
  ): void {
    this.#backOffMs = backOffMinMs;
    this.#clients.learn(phase.clients, found.highs);
    const newest = found.answers.reduce((seq, answer) => Math.max(seq, answer.seq), 0);
    if (newest > this.#head) {
      // Its event comes first (stores.md §7.6.3).
      this.#pending.putBack(phase.works);
      this.#follow();
    } else {
      hand(phase.works, found.answers);
      this.#decide(phase.works, at);
    }
  }

  #decide(works: readonly Work[], at: Instant): void {
    const draft = new Draft({
      tree: this.#tree,
      head: this.#head,
      at,
      archived: this.#archived,
      ...this.#rules,
    });
    const { taken, consults } = takeTurns(works, draft, this.#pending);
    this.#effects.push(...consults);
    this.#pending.putBack(works.slice(taken));
    for (const fault of draft.faults) this.#effects.push({ type: 'fault', ...fault });
    if (draft.ops.length > 0) return this.#append(draft);
    if (this.#shared && draft.leansOnState) {
      this.#phase = { kind: 'confirming', draft };
      this.#read();
    } else {
      this.#finish(draft);
      this.#rest();
    }
  }

  #append(draft: Draft): void {
    this.#batches++;
    this.#phase = { kind: 'appending', draft, batch: this.#batches };
    this.#effects.push({
      type: 'append',
      batch: this.#batches,
      expected: this.#head,
      content: draft.content(),
    });
  }

  #commit(draft: Draft): void {
    this.#tree = draft.tree;
    this.#rules.quota?.absorb(draft.quota);
    this.#head = draft.head;
    this.#unknowns = 0;
    for (const op of draft.ops) this.#rules.leases.follow(op, draft.at);
    noteCommitted(draft.works, this.#clients);
    this.#effects.push({ type: 'committed', ops: draft.ops });
    this.#finish(draft);
  }

  #finish({ works }: Draft): void {
    for (const work of works) if (work.outcome !== null) this.#answer(work, work.outcome);
  }

  #drop(draft: Draft, why: 'behind' | 'unknown' | 'failed', at: Instant): void {
    if (why === 'unknown') {
      this.#unknowns++;
      this.#phase = { kind: 'settling', draft, again: null };
      this.#read();
    } else if (why === 'failed') {
      this.#refuse(draft, at);
      this.#rest();
    } else {
      this.#retry(draft);
      this.#follow();
    }
  }

  /** Nothing is on its way. */
  #rest(): void {
    this.#phase = idle;
    if (this.#hint > this.#head) this.#follow();
    else if (this.#pending.isDue) this.#collect();
  }

  #collect(): void {
    if (this.#collecting) return;
    this.#collecting = true;
    this.#effects.push({ type: 'collect' });
  }

  #follow(): void {
    this.#phase = { kind: 'following', again: null };
    this.#read();
  }

  #read(): void {
    this.#effects.push({ type: 'read', after: this.#head });
  }

  #hearLog(ops: readonly LoggedOp[], at: Instant): void {
    const phase = this.#phase;
    const fresh = ops.filter(({ seq }) => seq > this.#head);
    if (phase.kind === 'settling') this.#settle(phase.draft, fresh, at);
    else if (phase.kind === 'confirming' && fresh.length === 0) this.#finish(phase.draft);
    else if (phase.kind === 'confirming') this.#retry(phase.draft);
    else if (phase.kind !== 'following') return;
    this.#backOffMs = backOffMinMs;
    this.#advance(ops, at);
    this.#phase = idle;
    if (this.#pending.isDue) this.#begin(at);
  }

  /** What was perhaps stored is decided again, unless that has been tried too often: now it is known not to be. */
  #settle(draft: Draft, fresh: readonly LoggedOp[], at: Instant): void {
    // Refusals of a batch stand or fall with it: decided anew, one could come after what it came before.
    if (draft.isIn(fresh)) this.#commit(draft);
    else if (this.#unknowns < unknownMax || fresh.length > 0) this.#retry(draft);
    else {
      this.#unknowns = 0;
      this.#refuse(draft, at);
    }
  }

  #retry({ works }: Draft): void {
    takeBack(works);
    this.#pending.putBack(works);
  }

  /** Takes in what is in the log: facts, whoever wrote them. */
  #advance(ops: readonly LoggedOp[], at: Instant): void {
    const fresh = ops.filter(({ seq }) => seq > this.#head);
    for (const op of fresh) {
      assert(op.seq === this.#head + 1, 'A4: the log is read without a gap');
      apply(this.#tree, op, this.#rules.quota ?? undefined);
      this.#head = op.seq;
      this.#rules.leases.follow(op, at);
      this.#clients.follow(op.clientOpId);
      this.#pending.land(op);
    }
    this.#hint = this.#head;
    if (fresh.length > 0) this.#effects.push({ type: 'committed', ops: fresh });
  }

  #backOff(phase: Phase, { now }: Instant): void {
    if (dueOf(phase) !== null) return;
    const again = now + this.#backOffMs;
    if (phase.kind === 'following' || phase.kind === 'settling') this.#phase = { ...phase, again };
    else {
      if (phase.kind === 'looking') this.#pending.putBack(phase.works);
      else if (phase.kind === 'confirming') this.#retry(phase.draft);
      else return;
      this.#phase = { kind: 'resting', until: again };
    }
    this.#backOffMs = Math.min(2 * this.#backOffMs, backOffMaxMs);
    this.#effects.push({ type: 'wake', at: again });
  }

  #wake(at: Instant): void {
    const phase = this.#phase;
    if (phase.kind === 'following' || phase.kind === 'resting') this.#expire(at);
    const due = dueOf(phase);
    if (due === null) return;
    if (due > at.now) this.#effects.push({ type: 'wake', at: due });
    else if (phase.kind === 'settling') {
      this.#phase = { ...phase, again: null };
      this.#read();
    } else if (phase.kind === 'resting') this.#begin(at);
    else this.#follow();
  }

  #isDone(): boolean {
    const { kind } = this.#phase;
    const waits = kind === 'idle' || kind === 'resting' || kind === 'following';
    return waits && this.#pending.length === 0;
  }
}

/** A violated invariant is a bug: the machine stops here. */
function assert(holds: boolean, invariant: string): asserts holds {
  if (!holds) throw new Error(`Authority: ${invariant}.`);
}
