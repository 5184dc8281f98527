import {
  type BadFrame,
  type Frame,
  isBadFrame,
  isObject,
  type MonotonicMs,
  readRefusal,
  type Refusal,
  refuse,
} from '@holdfast/protocol';
import { Backoff } from './backoff.ts';
import { readDirected, replyMs } from './times.ts';
import type { Turn } from './turn.ts';
import type { DialerInput } from './types.ts';

// One wanted topic:   out ──socket──▶ joining ──ok──▶ joined
//                      ▲               ▲    │  │         │
//                 socket lost      due │    │  ╰refused  │ fails
//                      │            waiting ◀┴───────────┘
//
// What is refused for good on one connection may be granted on the next, or when somebody asks for it; for want of room, a
// second time soon, and when another topic of its kind has gone.
//
// 1. Each join has a join ref of its own, its generation; what names another one is dropped.
// 2. `joined` and the end of that generation (`lost`, or the caller's `leave`) alternate.
// 3. A push is answered at most once, and only in the generation it was made in.

type Topic = {
  readonly name: string;
  readonly backoff: Backoff;
  payload: () => object;
  isFinal: ((refusal: Refusal) => boolean) | undefined;
  crashes: number;
  is: 'out' | 'waiting' | 'joining' | 'joined' | 'refused';
  /** Its last join was refused because others have all the room. */
  isCrowdedOut: boolean;
  /** Of the last join. */
  joinRef: string;
  /** Waiting or joining: until then. Joined: since then. */
  at: MonotonicMs;
};

type Unanswered = { readonly topic: Topic; readonly id: string; readonly by: MonotonicMs };

/** A topic as plain data. */
export type TopicView = { readonly topic: string; readonly state: Topic['is'] };

const crashesToldOf = 4;

/** The topics that a client wants, and where each of them stands on the present socket (stores.md C16, C17). */
export class Topics {
  readonly #turn: Turn;
  readonly #topics = new Map<string, Topic>();
  /** Pushes by their refs, oldest first. */
  readonly #unanswered = new Map<string, Unanswered>();
  /** Leaves that the server has yet to answer, by their refs, and by when it has: until then it counts them. */
  readonly #leaves = new Map<string, MonotonicMs>();

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  /** The socket is gone, and with it every generation. */
  lost(isRegranted = false): void {
    this.#leaves.clear();
    for (const topic of this.#topics.values()) {
      this.#endGeneration(topic);
      if (topic.is !== 'waiting' || isRegranted) topic.is = 'out';
      if (isRegranted) topic.backoff.failures = 0;
    }
  }

  want({ topic: name, payload, isFinal }: Extract<DialerInput, { readonly type: 'join' }>): void {
    const asked = { payload, isFinal };
    const fresh = {
      name,
      backoff: new Backoff(),
      crashes: 0,
      is: 'out',
      isCrowdedOut: false,
      joinRef: '',
      at: 0,
    } as const;
    const topic: Topic = Object.assign(this.#topics.get(name) ?? { ...fresh }, asked);
    this.#topics.set(name, topic);
    if (topic.is === 'out' || topic.is === 'refused') this.#join(topic);
  }

  /** Somebody does not want to wait, and believes no refusal. */
  hasten(): void {
    for (const topic of this.#topics.values()) {
      if (topic.is === 'waiting' || topic.is === 'refused') this.#join(topic);
    }
  }

  leave(name: string, leave?: object): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    const ref = this.#sendLeave(topic, leave);
    if (ref !== undefined) this.#leaves.set(ref, this.#turn.now + replyMs);
    this.#forgetPushes(topic);
    this.#topics.delete(name);
  }

  /** Ends this generation and begins another: at once, unless that was tried shortly before. */
  rejoin(name: string, leave?: object): void {
    const topic = this.#topics.get(name);
    if (topic?.is !== 'joining' && topic?.is !== 'joined') return;
    this.#sendLeave(topic, leave);
    this.#endGeneration(topic);
    const isFirst = topic.backoff.failures === 0;
    const waitMs = topic.backoff.failed(this.#turn.random(), null);
    if (isFirst) this.#join(topic);
    else this.#wait(topic, waitMs);
  }

  push(push: Extract<DialerInput, { readonly type: 'push' }>): void {
    const { topic: name, id, event, payload, patient = false } = push;
    const topic = this.#topics.get(name);
    // The topic was lost by something that came before this; what was to be pushed is again after the next join.
    if (topic?.is !== 'joined') return;
    const ref = this.#turn.ref();
    const by = patient ? Infinity : this.#turn.now + replyMs;
    this.#unanswered.set(ref, { topic, id, by });
    this.#turn.send({ joinRef: topic.joinRef, ref, topic: name, event, payload });
  }

  hear(frame: Frame | Exclude<BadFrame, { readonly kind: 'unreadable' }>): void {
    const isBad = isBadFrame(frame);
    if (!isBad && frame.event === 'phx_reply' && this.#answers(frame)) return;
    if (this.#leaves.delete(frame.ref ?? '')) this.#makeRoom(frame.topic);
    const topic = this.#topics.get(frame.topic);
    if (topic === undefined || !isOwn(frame, topic)) return;
    if (isBad) this.#abandon(topic);
    else this.#hearOwn(topic, frame);
  }

  /** The socket is there: joins what is due, and gives up joins that are not answered. */
  tick(): void {
    for (const topic of this.#topics.values()) {
      const isDue = topic.at <= this.#turn.now;
      if (topic.is === 'joining' && isDue) this.#abandon(topic);
      else if (topic.is === 'out' || (topic.is === 'waiting' && isDue)) this.#join(topic);
    }
  }

  /** Whether a push has waited for too long (stores.md C7). */
  get isOverdue(): boolean {
    return this.#answerBy <= this.#turn.now;
  }

  /** When something of them is due next. */
  get due(): MonotonicMs {
    let due = this.#answerBy;
    if (!this.#turn.isOpen) return due;
    for (const { is, at } of this.#topics.values()) {
      if (is === 'waiting' || is === 'joining') due = Math.min(due, at);
    }
    return due;
  }

  describe(): { readonly topics: readonly TopicView[]; readonly unanswered: number } {
    const topics = [...this.#topics.values()];
    return {
      topics: topics.map(({ name, is }) => ({ topic: name, state: is })),
      unanswered: this.#unanswered.size,
    };
  }

  /** By when the next answer has to be there. */
  get #answerBy(): MonotonicMs {
    // The oldest of those that are waited for with a limit.
    for (const { by } of this.#unanswered.values()) if (by !== Infinity) return by;
    return Infinity;
  }

  #join(topic: Topic): void {
    if (!this.#turn.isOpen) return;
    const ref = this.#turn.ref();
    Object.assign(topic, { is: 'joining', joinRef: ref, at: this.#turn.now + replyMs });
    const payload = topic.payload();
    this.#turn.send({ joinRef: ref, ref, topic: topic.name, event: 'phx_join', payload });
  }

  #hearOwn(topic: Topic, { event, ref, payload }: Frame): void {
    if (event === 'phx_close' || event === 'phx_error') {
      this.#fail(topic);
    } else if (topic.is === 'joining') {
      // Whatever else comes before the reply belongs to the life before (stores.md §7.3).
      if (event === 'phx_reply' && ref === topic.joinRef) this.#joinAnswered(topic, payload);
    } else if (event !== 'phx_reply') {
      this.#turn.emit({ type: 'message', topic: topic.name, event, payload });
    }
  }

  #joinAnswered(topic: Topic, payload: unknown): void {
    const answer = readAnswer(payload);
    if (answer?.status !== 'ok') {
      const refusal = answer === null ? refuse('internal_error') : readRefusal(answer.response);
      if (this.#mayFindRoom(topic, refusal)) this.#fail(topic);
      else this.#refused(topic, refusal);
      return;
    }
    const { name, joinRef } = topic;
    Object.assign(topic, { crashes: 0, is: 'joined', isCrowdedOut: false, at: this.#turn.now });
    const generation = Number(joinRef);
    this.#turn.emit({ type: 'joined', topic: name, generation, response: answer.response });
  }

  #refused(topic: Topic, refusal: Refusal): void {
    const isCrash = refusal.code === 'join crashed' || refusal.code === 'internal_error';
    if (isCrash) topic.crashes += 1;
    const isFinal = topic.isFinal?.(refusal) ?? !(isCrash || refusal.retry === 'later');
    // What lasts is told to those who wait, though the server may get over it.
    const isLasting = isCrash && topic.isFinal === undefined && topic.crashes === crashesToldOf;
    if (isFinal || isLasting) this.#turn.emit({ type: 'refused', topic: topic.name, refusal });
    if (!isFinal) return this.#fail(topic, readDirected(refusal.details['retry_after_ms']));
    topic.is = 'refused';
    // While it was judged it had a place.
    if (!topic.isCrowdedOut) this.#makeRoom(topic.name);
  }

  /** Who opens others instead leaves the former ones a moment later: only a second look tells that there is no room. */
  #mayFindRoom(topic: Topic, { code }: Refusal): boolean {
    const isSecond = topic.isCrowdedOut;
    topic.isCrowdedOut = code === 'too many channels joined' || code === 'over_capacity';
    const leftBy = [...this.#leaves.values()].at(-1) ?? 0;
    return topic.isCrowdedOut && (!isSecond || leftBy > this.#turn.now);
  }

  /** One topic less: of those of its kind that had no room it is the turn of the first. */
  #makeRoom(gone: string): void {
    for (const topic of this.#topics.values()) {
      const isNext = topic.isCrowdedOut && (topic.is === 'refused' || topic.is === 'waiting');
      if (isNext && kindOf(topic.name) === kindOf(gone)) return this.#join(topic);
    }
  }

  /** Takes the reply to a push; false: it is not one. */
  #answers({ ref, topic: name, payload }: Frame): boolean {
    const { topic, id } = this.#unanswered.get(ref ?? '') ?? {};
    if (topic === undefined || id === undefined || topic.name !== name) return false;
    this.#unanswered.delete(ref ?? '');
    const answer = readAnswer(payload);
    if (answer === null) this.#abandon(topic);
    else if (isUnmatched(answer)) this.#fail(topic);
    else this.#turn.emit({ type: 'reply', topic: name, id, ...answer });
    return true;
  }

  /** Nothing of it can be trusted any more, though the server takes it for joined. */
  #abandon(topic: Topic): void {
    this.#sendLeave(topic);
    this.#fail(topic);
  }

  /** The server ended it, or it cannot go on: again, after a while (stores.md C17). */
  #fail(topic: Topic, directedMs: number | null = null): void {
    this.#endGeneration(topic);
    this.#wait(topic, topic.backoff.failed(this.#turn.random(), directedMs));
  }

  #wait(topic: Topic, waitMs: number): void {
    topic.is = 'waiting';
    topic.at = this.#turn.now + waitMs;
  }

  #endGeneration(topic: Topic): void {
    if (topic.is !== 'joined') return;
    topic.backoff.lived(this.#turn.now - topic.at);
    this.#forgetPushes(topic);
    this.#turn.emit({ type: 'lost', topic: topic.name });
  }

  #forgetPushes(topic: Topic): void {
    for (const [ref, sent] of this.#unanswered) {
      if (sent.topic === topic) this.#unanswered.delete(ref);
    }
  }

  /** Returns the ref of the leave, if there is something to leave. */
  #sendLeave({ name: topic, is, joinRef }: Topic, payload: object = {}): string | undefined {
    if (is !== 'joining' && is !== 'joined') return undefined;
    const ref = this.#turn.ref();
    this.#turn.send({ joinRef, ref, topic, event: 'phx_leave', payload });
    return ref;
  }
}

/** A connection has room for so many topics of each kind (stores.md §12.1). */
function kindOf(topic: string): string | undefined {
  return topic.split(':')[0];
}

function isOwn({ joinRef }: Pick<Frame, 'joinRef'>, topic: Topic): boolean {
  const isNamed = joinRef === topic.joinRef;
  if (topic.is === 'joining') return isNamed;
  return topic.is === 'joined' && (joinRef === null || isNamed);
}

type Answer = {
  readonly status: 'ok' | 'error';
  readonly response: { readonly [field: string]: unknown };
  readonly version?: unknown;
};

function readAnswer(payload: unknown): Answer | null {
  if (!isObject(payload)) return null;
  const { status, response, version } = payload;
  const isAnswer = (status === 'ok' || status === 'error') && isObject(response);
  if (!isAnswer) return null;
  return version === undefined ? { status, response } : { status, response, version };
}

function isUnmatched({ status, response }: Answer): boolean {
  return status === 'error' && response['reason'] === 'unmatched topic';
}
