import {
  Authority,
  type AuthorityEffect,
  type AuthorityEvent,
  type Submission,
} from '@holdfast/engine/authority';
import { Consult, type Gate } from '@holdfast/engine/data';
import { asPath, defaultLimits, isRefusal, refuse } from '@holdfast/protocol';
import { answerOf, increment, type Reply } from './desk.ts';
import { diceOf } from './dice.ts';
import { Log } from './log.ts';

/** A request as it was handed in, and what came of it. */
type Sent = {
  readonly submission: Submission;
  readonly sentAt: number;
  answer: { readonly reply: Reply; readonly at: number; readonly isAtDoor: boolean } | null;
};

type Consultation = Extract<AuthorityEffect, { type: 'consult' }>;

const limits = { ...defaultLimits, write_queue_ms: 400 };

/**
 * Two devices and a stranger who use few ids again and again, for the same and for something else, at one authority whose queue
 * is short, whose storage is bad, and that asks a rule which takes its time.
 */
export class Crowd {
  readonly log = new Log();
  readonly sent: Sent[] = [];
  readonly problems: string[] = [];
  /** When each seq was told to be committed. */
  readonly committedAt: number[] = [];
  /** Tickets that were not answered as they came, in order of their answers. */
  readonly answered: number[] = [];
  readonly #random: (limit: number) => number;
  readonly #authority: Authority;
  readonly #maxAsked: number;
  readonly #tasks: (() => void)[] = [];
  readonly #consults: Consultation[] = [];
  readonly #channels = [1, 2, 3];
  #now = 1000;
  #step = 0;
  #wakeAt = Infinity;
  #isCalm = false;
  #isDrained = false;
  #coming: Sent | null = null;

  constructor(seed: number) {
    this.#random = diceOf(seed);
    this.#maxAsked = this.#random(800);
    this.#authority = new Authority({
      head: 0,
      tree: this.log.load(),
      at: { now: this.#now, wall: this.#wall },
      archived: false,
      limits: { ...limits, write_queue: 1 + this.#random(8) },
      batchMax: 1 + this.#random(5),
      shared: this.#chance(3),
      gate: this.#gate,
    });
  }

  get isDone(): boolean {
    const { queued } = this.#authority.describe();
    return this.#isDrained && queued === 0 && this.sent.every(({ answer }) => answer !== null);
  }

  /** Lives through trouble, then drains in calm. */
  run(steps: number): void {
    for (let i = 0; i < steps; i++) this.#act();
    this.#isCalm = true;
    this.#hear({ type: 'drain' });
    for (let i = 0; i < 4000 && !this.isDone; i++) this.#goOn();
  }

  get #wall(): number {
    return 1_700_000_000_000 + this.#now;
  }

  /** Once in so many times. */
  #chance(times: number): boolean {
    return this.#random(times) === 0;
  }

  readonly #gate: Gate = {
    mutate: () => [],
    screen: () => null,
    judge: ({ advice }) => {
      const verdict = advice.get(`${this.#random(2)}`);
      if (verdict === null) return [];
      if (verdict !== undefined) return verdict;
      if (this.#isCalm || this.#random(1000) >= this.#maxAsked) return [];
      return new Consult([{ key: `${this.#random(2)}`, verdict: Promise.resolve(null) }]);
    },
    migrate: () => [],
  };

  #act(): void {
    this.#now += this.#random(30);
    const what = this.#random(20);
    if (what < 8) this.#submit();
    else if (what < 15) this.#tasks.splice(this.#random(this.#tasks.length || 1), 1)[0]?.();
    else if (what < 18) this.#advise();
    else if (what === 18) this.#tick();
    else if (this.#chance(6)) this.#writeElsewhere();
    else if (this.#chance(8)) this.#now += limits.write_queue_ms;
  }

  #goOn(): void {
    this.#now += 50;
    const task = this.#tasks.shift();
    if (task !== undefined) task();
    else if (this.#consults.length > 0) this.#advise();
    else if (this.#wakeAt <= this.#now) this.#tick();
  }

  #tick(): void {
    if (this.#wakeAt <= this.#now) this.#wakeAt = Infinity;
    this.#hear({ type: 'tick' });
  }

  #submit(): void {
    const who = this.#random(2);
    const channels = this.#channels;
    if (this.#chance(12)) {
      this.#hear({ type: 'left', channel: channels[who] ?? 0 });
      channels[who] = Math.max(...channels) + 1;
    }
    const isStranger = this.#chance(10);
    const counter = Math.ceil((this.sent.length + 1) / 3) + this.#random(4);
    // Some of the same id are about something else.
    const fingerprint = this.#chance(14) ? counter + 1000 : counter;
    const ticket = this.sent.length + 1;
    const rate = this.#rate();
    const submission: Submission = {
      ticket,
      channel: (isStranger ? channels[2] : channels[who]) ?? 0,
      blocks: ([true, true, true, false, 'waits'] as const)[this.#random(5)] ?? true,
      unblock: this.#chance(4),
      dialect: 4,
      deviceId: `d${who}`,
      // Of those of the second nobody can tell whether they are new.
      opId: who === 0 ? `d0:s:${counter}` : `any ${counter}`,
      fingerprint,
      principal: isStranger ? 'a stranger' : `d${who}`,
      request: increment(`n/${fingerprint}`),
      rate: rate === null ? null : () => rate,
    };
    this.#coming = { submission, sentAt: this.#step + 1, answer: null };
    this.sent.push(this.#coming);
    this.#hear({ type: 'submit', submission });
    this.#coming = null;
  }

  #rate(): ReturnType<typeof refuse> | null {
    const kind = this.#random(12);
    if (kind === 0) return refuse('rate_limited', { retry_after_ms: 10 });
    return kind === 1 ? refuse('path_not_allowed', { path: 'n' }) : null;
  }

  /** The rule has made up its mind about one of those that it was asked about; some are told twice. */
  #advise(): void {
    const at = this.#random(this.#consults.length || 1);
    const [asked] = this.#consults.splice(at, 1);
    if (asked === undefined) return;
    const { ticket, questions } = asked;
    const kind = this.#isCalm ? 0 : this.#random(6);
    const later = refuse('unavailable', { retry_after_ms: 5 });
    const verdict =
      kind === 1 ? refuse('path_not_allowed', { path: 'n' }) : kind === 2 ? later : null;
    const told = kind === 3 ? [] : questions;
    this.#hear({
      type: 'consulted',
      ticket,
      advice: new Map(told.map(({ key }) => [key, verdict])),
    });
    if (this.#chance(5)) this.#hear({ type: 'consulted', ticket, advice: new Map() });
  }

  /** Another node commits something. */
  #writeElsewhere(): void {
    const { head } = this.log;
    const op = {
      seq: head + 1,
      op: 'set' as const,
      path: asPath('elsewhere'),
      value: head,
      arg: null,
      deviceId: 'other',
      clientOpId: `other:s:${head}`,
      tx: null,
      at: this.#wall,
      principal: null,
      removed: [],
    };
    this.log.append(head, { ops: [op], entries: [], maps: [], answers: [] });
    if (this.#chance(2)) this.#hear({ type: 'grew', head: head + 1 });
  }

  #hear(event: AuthorityEvent): void {
    this.#step++;
    const at = { now: this.#now, wall: this.#wall };
    for (const effect of this.#authority.step({ ...event, ...at })) this.#perform(effect);
    const open = this.sent.filter(({ answer }) => answer === null).length;
    const { queued } = this.#authority.describe();
    if (queued > open) this.problems.push(`${queued} are queued, and ${open} open`);
  }

  #perform(effect: AuthorityEffect): void {
    if (effect.type === 'reply') this.#note(effect.ticket, effect.answer);
    else if (effect.type === 'committed') {
      for (const { seq } of effect.ops) this.committedAt[seq] = this.#step;
    } else if (effect.type === 'wake') this.#wakeAt = effect.at;
    else if (effect.type === 'drained') this.#isDrained = true;
    else if (effect.type === 'fault') this.problems.push(String(effect.error));
    else if (effect.type === 'collect') this.#tasks.push(() => this.#hear({ type: 'flush' }));
    else if (effect.type === 'consult') this.#consult(effect);
    else {
      this.#tasks.push(() => {
        const told = this.#told(effect);
        if (told === null) return;
        this.#tasks.push(() => {
          this.#hear(told);
          if ('batch' in told && this.#chance(3)) this.#hear(told);
        });
      });
    }
  }

  #consult(asked: Consultation): void {
    const isAsked = this.#consults.some(({ ticket }) => ticket === asked.ticket);
    if (isAsked) this.problems.push(`the rule is asked about ${asked.ticket} while it is asked`);
    this.#consults.push(asked);
  }

  #note(ticket: number, reply: Reply): void {
    const sent = this.sent[ticket - 1];
    if (sent === undefined || sent.answer !== null) this.problems.push(`${ticket} is told twice`);
    else sent.answer = { reply, at: this.#step, isAtDoor: sent === this.#coming };
    if (sent !== this.#coming) this.answered.push(ticket);
  }

  /** What the storage tells of what it was asked for; in calm it does as it should. */
  #told(effect: AuthorityEffect): AuthorityEvent | null {
    if (!this.#isCalm && effect.type === 'append') {
      const { batch, expected, content } = effect;
      const kind = this.#random(10);
      if (kind === 0) return { type: 'failed', batch };
      if (kind === 1) this.log.append(expected, content);
      if (kind < 3) return { type: 'unknown', batch };
      if (kind === 3) this.#writeElsewhere();
    } else if (!this.#isCalm && this.#chance(5)) return { type: 'unreadable' };
    return answerOf(this.log, effect);
  }

  /** The seq of the commit of this request; 0: there is none. */
  seqOf(sent: Sent): number {
    const { principal } = sent.submission;
    const own = this.log.ops.find(
      (op) => op.principal === principal && this.isAskedBy(sent, op.seq),
    );
    return own?.seq ?? 0;
  }

  /** Whether a commit is what a request asks for, whoever asked for it first: who may read all there is repeats others. */
  isAskedBy({ submission: { opId, fingerprint } }: Sent, seq: number): boolean {
    const op = this.log.ops[seq - 1];
    return op?.clientOpId === opId && op.path === `n/${fingerprint}`;
  }

  /** Whether somebody asked for the same after this. */
  isAskedLater({ submission }: Sent): boolean {
    return this.sent.some(
      (each) => each.submission.ticket > submission.ticket && isSame(each.submission, submission),
    );
  }

  /** Whether an answer says that it is committed, of those that were open beside it. */
  wasCommittedBeside(sent: Sent): boolean {
    return this.sent.some(
      ({ submission, sentAt, answer }) =>
        answer !== null &&
        !isRefusal(answer.reply) &&
        isSame(submission, sent.submission) &&
        sentAt <= sent.sentAt &&
        answer.at >= sent.sentAt,
    );
  }
}

function isSame(a: Submission, b: Submission): boolean {
  return a.opId === b.opId && a.principal === b.principal && a.fingerprint === b.fingerprint;
}
