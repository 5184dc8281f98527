import {
  Authority,
  type AuthorityConfig,
  type AuthorityEffect,
  type AuthorityEvent,
  type Batch,
  type LoggedOp,
  type Submission,
} from '@holdfast/engine/authority';
import type { Question, Tree } from '@holdfast/engine/data';
import {
  defaultLimits,
  isRefusal,
  type Refusal,
  type Seq,
  type WriteReply,
} from '@holdfast/protocol';
import type { Log } from './log.ts';
import type { Room } from './room.ts';
import { rule, verdictOn } from './rule.ts';

type Answered = (answer: WriteReply | Refusal) => void;

/** What a host does when its authority has news. */
export type LifeEvents = {
  committed(ops: readonly LoggedOp[]): void;
  /** It ends amid a step. */
  died(): void;
};

/** Requests that a host lets wait. */
const writeQueue = 4;
const batchMax = 6;
/**
 * Those that are refused in their turn wait, too, those of devices that have less than their part of the queue, and those of
 * a batch that is put back. Each of them may be there once more: what is open is not turned away where it is repeated.
 */
const queuedMax = 2 * (3 * writeQueue + batchMax);

/** What all lives of a host have. */
export type LifeOf = {
  readonly room: Room;
  readonly log: Log;
  readonly shared: boolean;
  /** A rule is asked about some writes. */
  readonly asks: boolean;
};

type Asked = Exclude<Submission['request'], Refusal>;

const roundMs = 150;
const verdictMs = 400;

const wallStart = 1_700_000_000_000;

/** One life of a server process: an authority, and the log that answers it late, badly, or not at all. */
export class Life {
  readonly name: string;
  readonly #room: Room;
  readonly #log: Log;
  readonly #events: LifeEvents;
  readonly #authority: Authority;
  readonly #receivers = new Map<number, Answered>();
  #appending: { readonly expected: Seq; readonly content: Batch } | null = null;
  #tickets = 0;
  #isOver = false;
  #wallOffset = 0;
  head: Seq;

  constructor(name: string, of: LifeOf, events: LifeEvents) {
    this.name = name;
    this.#room = of.room;
    this.#log = of.log;
    this.#events = events;
    this.head = of.log.head;
    const at = this.#instant();
    const tree = of.log.load();
    const { shared, asks } = of;
    const config = { head: this.head, tree, at, archived: false, limits: defaultLimits, shared };
    this.#authority = new Authority({
      ...config,
      ...(asks && { gate: rule }),
      ...narrowness(of.room),
    });
  }

  submit(submission: Omit<Submission, 'ticket'>, answered: Answered): void {
    this.#tickets += 1;
    this.#receivers.set(this.#tickets, answered);
    const { request } = submission;
    this.#step({
      type: 'submit',
      submission: {
        ...submission,
        ticket: this.#tickets,
        request: isRefusal(request) ? request : this.#misread(request),
      },
    });
    const { queued } = this.#authority.describe();
    if (this.#room.strikes !== undefined && queued > queuedMax) {
      this.#room.problem('bounded', `${this.name} lets ${queued} requests wait`);
    }
  }

  left(channel: number): void {
    this.#step({ type: 'left', channel });
  }

  grew(head: Seq): void {
    if (head > this.head) this.#step({ type: 'grew', head });
  }

  /** A part of the log that is committed and known here. */
  read(after: Seq): readonly LoggedOp[] {
    return this.#log.read(after).slice(0, Math.max(0, this.head - after));
  }

  view(): { readonly tree: Tree; readonly seq: Seq } {
    return this.#authority.view();
  }

  /** It ends here; what it was just storing is stored, or not. */
  end(): void {
    this.#isOver = true;
    const appending = this.#appending;
    if (appending === null || this.#room.dice.chance(0.5)) return;
    this.#log.append(appending.expected, appending.content);
  }

  /** Somebody sets its wall clock. */
  jump(ms: number): void {
    this.#wallOffset += ms;
  }

  #misread(request: Asked): Asked {
    const { isSpoiled } = this.#room;
    if ('fence' in request && isSpoiled?.('a host ignores fences')) {
      const { fence: _, ...rest } = request;
      return rest;
    }
    return request;
  }

  #instant(): { now: number; wall: number } {
    const { now } = this.#room.agenda;
    return { now, wall: wallStart + Math.floor(now) + this.#wallOffset };
  }

  #later(ms: number, run: () => void): void {
    this.#room.agenda.later(ms, () => {
      if (!this.#isOver) run();
    });
  }

  #step(event: AuthorityEvent): void {
    if (this.#isOver) return;
    for (const effect of this.#authority.step({ ...event, ...this.#instant() })) {
      if (this.#isOver) return;
      this.#perform(effect);
      if (this.#room.strikes?.('died') === true) this.#events.died();
    }
  }

  #perform(effect: AuthorityEffect): void {
    const room = this.#room;
    switch (effect.type) {
      case 'append':
        this.#append(effect);
        return;
      case 'lookup':
        this.#answer(() => ({ type: 'answered', ...this.#log.answers(effect) }));
        return;
      case 'read':
        this.#answer(() => ({ type: 'followed', ops: this.#log.read(effect.after) }));
        return;
      case 'collect':
        this.#later(room.delay(3), () => this.#step({ type: 'flush' }));
        return;
      case 'wake':
        this.#later(effect.at - room.agenda.now, () => this.#step({ type: 'tick' }));
        return;
      case 'committed':
        this.#committed(effect.ops);
        return;
      case 'reply':
        this.#reply(effect.ticket, effect.answer);
        return;
      case 'fault':
        room.problem('calm', `the authority of ${this.name} failed: ${String(effect.error)}`);
        return;
      case 'consult':
        this.#consult(effect.ticket, effect.questions);
        return;
      case 'drained':
    }
  }

  /** Verdicts come after a time of their own, or with all others that were asked for meanwhile, in any order. */
  #consult(ticket: number, questions: readonly Question[]): void {
    const { agenda, delay, dice } = this.#room;
    const advice = new Map(questions.map(({ key }) => [key, verdictOn(key)]));
    const ms = dice.chance(0.7) ? roundMs - (agenda.now % roundMs) + delay(1) : delay(verdictMs);
    this.#later(ms, () => this.#step({ type: 'consulted', ticket, advice }));
  }

  #committed(ops: readonly LoggedOp[]): void {
    this.head = ops.at(-1)?.seq ?? this.head;
    this.#events.committed(ops);
  }

  #reply(ticket: number, answer: WriteReply | Refusal): void {
    const answered = this.#receivers.get(ticket);
    this.#receivers.delete(ticket);
    answered?.(answer);
  }

  #answer(answer: () => AuthorityEvent): void {
    this.#later(this.#room.delay(15), () => {
      this.#step(this.#room.happens('failed') ? { type: 'unreadable' } : answer());
    });
  }

  #append({ batch, expected, content }: Extract<AuthorityEffect, { type: 'append' }>): void {
    this.#appending = { expected, content };
    const room = this.#room;
    this.#later(room.delay(25), () => {
      this.#appending = null;
      if (room.happens('failed')) {
        this.#later(room.delay(10), () => this.#step({ type: 'failed', batch }));
        return;
      }
      const isUnknown = room.happens('unknown');
      const isStored = !isUnknown || room.dice.chance(0.5);
      const result = isStored ? this.#log.append(expected, content) : 'behind';
      room.note(this.name, `append after ${expected}: ${isUnknown ? 'unknown' : result}`);
      const type = isUnknown ? 'unknown' : result;
      this.#later(room.delay(10), () => this.#step({ type, batch }));
    });
  }
}

/** Hosts of worlds with hardship have little room, so that it is used up. */
function narrowness({ strikes, isSpoiled }: Room): Partial<AuthorityConfig> {
  if (strikes === undefined) return {};
  const queue = isSpoiled?.('a host takes any number of requests') === true ? 1000 : writeQueue;
  return { limits: { ...defaultLimits, write_queue: queue }, batchMax };
}
