import {
  type BadFrame,
  type Frame,
  isBadFrame,
  isObject,
  isRefusal,
  type MonotonicMs,
  readReply,
  type Refusal,
  refuse,
} from '@holdfast/protocol';
import { Backoff } from './backoff.ts';
import type { Line } from './line.ts';
import { type DialerTimes, readDirected } from './times.ts';
import type { Turn } from './turn.ts';
import type { DialerInput } from './types.ts';

// One wanted topic:   out ──socket──▶ joining ──ok──▶ joined      refused for good, leave: from any state ──▶ (not wanted)
//                      ▲               ▲    │            │
//                 socket lost      due │    │ fails      │ fails
//                      │            waiting ◀┴───────────┘
//
// 1. Each join has a join ref of its own, its generation; what names another one is dropped.
// 2. `joined` and the end of that generation (`lost`, or the caller's `leave`) alternate.
// 3. A push is answered at most once, and only in the generation it was made in.

type State =
  | { readonly is: 'out' }
  | { readonly is: 'waiting'; readonly until: MonotonicMs }
  | { readonly is: 'joining'; readonly joinRef: string; readonly by: MonotonicMs }
  | { readonly is: 'joined'; readonly joinRef: string; readonly since: MonotonicMs };

type Topic = {
  readonly name: string;
  readonly backoff: Backoff;
  payload: () => object;
  crashes: number;
  state: State;
};

type Unanswered = { readonly topic: string; readonly id: string; readonly by: MonotonicMs };

/** A topic as plain data. */
export type TopicView = { readonly topic: string; readonly state: State['is'] };

/** The topic of the connection itself: joined as long as there is a socket. */
const phoenix = 'phoenix';
const crashesMax = 3;

/** The topics that a client wants, and where each of them stands on the present socket (stores.md C16, C17). */
export class Topics {
  readonly #turn: Turn;
  readonly #times: DialerTimes;
  readonly #random: () => number;
  readonly #topics = new Map<string, Topic>();
  /** Pushes by their refs, oldest first. */
  readonly #unanswered = new Map<string, Unanswered>();
  #line: Line | null = null;

  constructor(turn: Turn, times: DialerTimes, random: () => number) {
    this.#turn = turn;
    this.#times = times;
    this.#random = random;
  }

  /** The socket is there: what is wanted is joined. */
  opened(line: Line): void {
    this.#line = line;
    this.tick();
  }

  /** The socket is gone, and with it every generation and every answer. */
  lost(): void {
    this.#line = null;
    for (const topic of this.#topics.values()) {
      if (topic.state.is === 'waiting') continue;
      this.#leaveState(topic);
      topic.state = { is: 'out' };
    }
    const controls = [...this.#unanswered.values()];
    this.#unanswered.clear();
    for (const { id } of controls) this.#unavailable(id);
  }

  want(name: string, payload: () => object): void {
    const known = this.#topics.get(name);
    if (known !== undefined) {
      known.payload = payload;
      return;
    }
    const backoff = new Backoff(this.#times, this.#random);
    const topic: Topic = { name, backoff, payload, crashes: 0, state: { is: 'out' } };
    this.#topics.set(name, topic);
    this.#join(topic);
  }

  leave(name: string): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    this.#sendLeave(topic);
    this.#forgetPushes(name);
    this.#topics.delete(name);
  }

  /** Ends this generation and begins another: at once, unless that was tried shortly before. */
  rejoin(name: string): void {
    const topic = this.#topics.get(name);
    if (topic === undefined || topic.state.is === 'out' || topic.state.is === 'waiting') return;
    this.#sendLeave(topic);
    this.#leaveState(topic);
    const isFirst = topic.backoff.failures === 0;
    const waitMs = topic.backoff.failed();
    if (isFirst) this.#join(topic);
    else this.#wait(topic, waitMs);
  }

  push(input: Extract<DialerInput, { type: 'push' }>): void {
    const { topic, id, event, payload } = input;
    const line = this.#line;
    const joinRef = topic === phoenix ? null : this.#joinRefOf(topic);
    if (line === null) {
      this.#unavailable(id);
      return;
    }
    const ref = String(this.#turn.ref());
    const by = this.#turn.now + this.#times.replyMs;
    this.#unanswered.set(ref, { topic, id, by });
    this.#turn.remind(by);
    line.send({ joinRef, ref, topic, event, payload });
  }

  hear(frame: Frame | Exclude<BadFrame, { kind: 'unreadable' }>): void {
    if (!isBadFrame(frame) && frame.event === 'phx_reply' && this.#answers(frame)) return;
    const topic = this.#topics.get(frame.topic);
    if (topic === undefined || !isOwn(frame, topic.state)) return;
    if (isBadFrame(frame)) this.#abandon(topic);
    else this.#hearOwn(topic, frame);
  }

  /** Joins what is due, and gives up joins that are not answered. */
  tick(): void {
    for (const topic of this.#topics.values()) {
      if (topic.state.is === 'joining' && topic.state.by <= this.#turn.now) this.#abandon(topic);
      else this.#joinDue(topic);
    }
  }

  /** Whether a push has waited for too long (stores.md C7). */
  isOverdue(): boolean {
    const [oldest] = this.#unanswered.values();
    return oldest !== undefined && oldest.by <= this.#turn.now;
  }

  /** Reminds the turn of all that is to come. */
  remind(): void {
    const [oldest] = this.#unanswered.values();
    if (oldest !== undefined) this.#turn.remind(oldest.by);
    if (this.#line === null) return;
    for (const { state } of this.#topics.values()) {
      if (state.is === 'waiting') this.#turn.remind(state.until);
      if (state.is === 'joining') this.#turn.remind(state.by);
    }
  }

  describe(): { readonly topics: readonly TopicView[]; readonly unanswered: number } {
    const topics = [...this.#topics.values()];
    return {
      topics: topics.map(({ name, state }) => ({ topic: name, state: state.is })),
      unanswered: this.#unanswered.size,
    };
  }

  #joinRefOf(name: string): string {
    const state = this.#topics.get(name)?.state;
    if (state?.is !== 'joined') throw new Error(`push on ${name}, which is not joined`);
    return state.joinRef;
  }

  #joinDue(topic: Topic): void {
    const { state } = topic;
    const isDue = state.is === 'out' || (state.is === 'waiting' && state.until <= this.#turn.now);
    if (isDue) this.#join(topic);
  }

  #join(topic: Topic): void {
    const line = this.#line;
    if (line === null) return;
    const joinRef = String(this.#turn.ref());
    const by = this.#turn.now + this.#times.replyMs;
    topic.state = { is: 'joining', joinRef, by };
    this.#turn.remind(by);
    const payload = topic.payload();
    line.send({ joinRef, ref: joinRef, topic: topic.name, event: 'phx_join', payload });
  }

  #hearOwn(topic: Topic, { event, ref, payload }: Frame): void {
    const { state, name } = topic;
    if (event === 'phx_close' || event === 'phx_error') {
      this.#fail(topic);
    } else if (state.is === 'joining') {
      // Whatever else comes before the reply belongs to the life before (stores.md §7.3).
      if (event === 'phx_reply' && ref === state.joinRef) this.#joinAnswered(topic, payload);
    } else if (event !== 'phx_reply') {
      this.#turn.emit({ type: 'message', topic: name, event, payload });
    }
  }

  #joinAnswered(topic: Topic, payload: unknown): void {
    const reply = readReply(payload);
    if (isRefusal(reply)) this.#refused(topic, refuse('internal_error'));
    else if (reply.status === 'error') this.#refused(topic, reply.refusal);
    else this.#joined(topic, reply.response);
  }

  #joined(topic: Topic, response: unknown): void {
    if (topic.state.is !== 'joining') return;
    const { joinRef } = topic.state;
    topic.crashes = 0;
    topic.state = { is: 'joined', joinRef, since: this.#turn.now };
    const generation = Number(joinRef);
    this.#turn.emit({ type: 'joined', topic: topic.name, generation, response });
  }

  #refused(topic: Topic, refusal: Refusal): void {
    if (isCrash(refusal)) topic.crashes += 1;
    const passes = refusal.retry === 'later' || (isCrash(refusal) && topic.crashes <= crashesMax);
    if (passes) {
      this.#fail(topic, readDirected(refusal.details['retry_after_ms'], this.#times));
    } else {
      this.#topics.delete(topic.name);
      this.#turn.emit({ type: 'refused', topic: topic.name, refusal });
    }
  }

  /** Takes the reply to a push; false: it is not one. */
  #answers({ ref, topic, payload }: Frame): boolean {
    const sent = ref === null ? undefined : this.#unanswered.get(ref);
    if (ref === null || sent === undefined || sent.topic !== topic) return false;
    this.#unanswered.delete(ref);
    const reply = readAnswer(payload);
    const joined = this.#topics.get(topic);
    if (reply === null) {
      if (joined === undefined) this.#unavailable(sent.id);
      else this.#abandon(joined);
    } else if (joined !== undefined && isUnmatched(reply)) {
      this.#fail(joined);
    } else {
      this.#turn.emit({ type: 'reply', topic, id: sent.id, ...reply });
    }
    return true;
  }

  /** Nothing of it can be trusted any more, though the server takes it for joined. */
  #abandon(topic: Topic): void {
    this.#sendLeave(topic);
    this.#fail(topic);
  }

  /** The server ended it, or it cannot go on: again, after a while (stores.md C17). */
  #fail(topic: Topic, directedMs: number | null = null): void {
    this.#leaveState(topic);
    this.#wait(topic, topic.backoff.failed(directedMs));
  }

  #wait(topic: Topic, waitMs: number): void {
    const until = this.#turn.now + waitMs;
    topic.state = { is: 'waiting', until };
    this.#turn.remind(until);
  }

  #leaveState({ name, state, backoff }: Topic): void {
    if (state.is !== 'joined') return;
    backoff.lived(this.#turn.now - state.since);
    this.#forgetPushes(name);
    this.#turn.emit({ type: 'lost', topic: name });
  }

  #forgetPushes(name: string): void {
    for (const [ref, sent] of this.#unanswered) {
      if (sent.topic === name) this.#unanswered.delete(ref);
    }
  }

  #sendLeave({ name, state }: Topic): void {
    if (state.is !== 'joining' && state.is !== 'joined') return;
    const { joinRef } = state;
    const ref = String(this.#turn.ref());
    this.#line?.send({ joinRef, ref, topic: name, event: 'phx_leave', payload: {} });
  }

  /** A push of the connection itself has no generation to be made again in. */
  #unavailable(id: string): void {
    const response = refuse('unavailable').toResponse();
    this.#turn.emit({ type: 'reply', topic: phoenix, id, status: 'error', response });
  }
}

function isOwn({ joinRef }: Pick<Frame, 'joinRef'>, state: State): boolean {
  if (state.is === 'joining') return joinRef === state.joinRef;
  return state.is === 'joined' && (joinRef === null || joinRef === state.joinRef);
}

function isCrash({ code }: Refusal): boolean {
  return code === 'join crashed' || code === 'internal_error';
}

type Answer = {
  readonly status: 'ok' | 'error';
  readonly response: { readonly [field: string]: unknown };
};

function readAnswer(payload: unknown): Answer | null {
  if (!isObject(payload)) return null;
  const { status, response } = payload;
  const isAnswer = (status === 'ok' || status === 'error') && isObject(response);
  return isAnswer ? { status, response } : null;
}

function isUnmatched({ status, response }: Answer): boolean {
  return status === 'error' && response['reason'] === 'unmatched topic';
}
