import {
  type Frame,
  heartbeatFrame,
  isBadFrame,
  isObject,
  type MonotonicMs,
  type Refusal,
  refuse,
} from '@holdfast/protocol';
import { Backoff } from './backoff.ts';
import {
  answerMs,
  backoffMaxMs,
  doubtMs,
  heartbeatMs,
  openMs,
  readDirected,
  silenceMs,
  lifeMs,
  tokenMs,
} from './times.ts';
import { Topics, type TopicView } from './topics.ts';
import { Turn } from './turn.ts';
import type { Connection, DialerEffect, DialerInput } from './types.ts';

//  resting ──start──▶ opening ──opened──▶ open
//     ▲  stop          ▲    │                │ closed, dead
//     │                │    ▼                │
//     │            due ╰─ waiting ◀──────────╯
//     │                                      │ 4001: the token is no good
//     ╰── there is no other ◀────────────────┴──▶ opening, with another
//
// 1. At most one link is open or opening; what an older one says is dropped.
// 2. Frames are sent over an open link only.
// 3. The token source is asked once for another token than one that is no good. A token that has been good, as the server
//    said something over its link, or that was given a minute ago, has ended; any other is refused for good (stores.md C18).
// 4. At rest nothing is due.

/** What a dialer is made of: chance, and whether there may be another token than one that is refused. */
export type DialerConfig = {
  /** A number from 0 to 1, 1 excluded. */
  readonly random: () => number;
  /** Whether the token source can give another one. */
  readonly renewable: boolean;
};

/** A dialer as plain data, for status, logs and consoles. */
export type DialerView = {
  readonly phase: Phase;
  readonly link: number;
  readonly connection: Connection;
  readonly attempts: number;
  readonly topics: readonly TopicView[];
  readonly unanswered: number;
};

type Phase = 'resting' | 'opening' | 'open' | 'waiting';

type Report = Pick<DialerView, 'connection' | 'attempts'> & { readonly refusal: Refusal | null };

type Weather<Type extends DialerInput['type']> = Extract<DialerInput, { readonly type: Type }>;

const normalClosure = 1000;
const tokenInvalid = 4001;
const grantsChanged = 4002;
const protocolViolation = 4003;

/** The client's end of the one connection's conversation (stores.md §7, C16–C20). */
export class Dialer {
  readonly #renewable: boolean;
  readonly #turn: Turn;
  readonly #topics: Topics;
  readonly #backoff = new Backoff();
  #phase: Phase = 'resting';
  /** When the phase has lasted long enough, or too long. */
  #until: MonotonicMs = Infinity;
  /** Of the line that is open: since when, when something was last heard, and what it has to answer by. */
  #openedAt = 0;
  #heardAt = 0;
  #answerBy = Infinity;
  /** Why it rests. */
  #refusal: Refusal | null = null;
  #reported: Report = { connection: 'closed', attempts: 0, refusal: null };
  /** The platform says that there is no network, and nothing heard since says otherwise. */
  #offline = false;
  #everOpen = false;
  /** When the source was asked for another token. */
  #renewedAt = -Infinity;
  /** Something came over this link: its token is good. */
  #isTaken = false;
  /** How long the server asked us to stay away after this link. */
  #directedMs: number | null = null;
  #rescheduled = false;

  constructor(config: DialerConfig) {
    this.#renewable = config.renewable;
    this.#turn = new Turn(config.random);
    this.#topics = new Topics(this.#turn);
  }

  /** Takes one input and says what is to be done, in order. A push to a topic that is not joined is dropped. */
  step(input: DialerInput): readonly DialerEffect[] {
    this.#turn.now = input.now;
    this.#rescheduled = false;
    if ('topic' in input) this.#takeWish(input);
    else this.#takeWeather(input);
    this.#report();
    return this.#turn.end(this.#due, this.#rescheduled);
  }

  describe(): DialerView {
    const { connection, attempts } = this.#reported;
    const topics = this.#topics.describe();
    return { phase: this.#phase, link: this.#turn.link, connection, attempts, ...topics };
  }

  #takeWish(input: Extract<DialerInput, { topic: string }>): void {
    switch (input.type) {
      case 'join':
        return this.#topics.want(input);
      case 'leave':
        return this.#topics.leave(input.topic, input.leave);
      case 'rejoin':
        return this.#topics.rejoin(input.topic, input.leave);
      case 'push':
        return this.#topics.push(input);
    }
  }

  #takeWeather(input: Exclude<DialerInput, { topic: string }>): void {
    switch (input.type) {
      case 'start':
        return this.#start();
      case 'stop':
        return this.#stop();
      case 'opened':
        return this.#opened(input.link);
      case 'closed':
        return this.#closed(input);
      case 'received':
        return this.#receive(input);
      case 'tick':
        return this.#tick();
      case 'offline':
        return this.#goOffline();
      case 'online':
      case 'woke':
        return this.#lookAgain(input.type === 'woke');
    }
  }

  #start(): void {
    if (this.#phase === 'resting') this.#open();
    else if (this.#phase === 'open') this.#topics.hasten();
  }

  #open(): void {
    const link = this.#turn.link + 1;
    this.#turn.link = link;
    this.#isTaken = false;
    this.#enter('opening', openMs);
    this.#turn.emit({ type: 'open', link });
  }

  #opened(link: number): void {
    if (this.#phase !== 'opening' || link !== this.#turn.link) return;
    const { now } = this.#turn;
    this.#enter('open');
    this.#openedAt = now;
    this.#turn.sentAt = now;
    this.#hear();
    this.#everOpen = true;
    this.#report();
    this.#topics.tick();
  }

  /** Any frame is a sign of life: the heartbeat's reply may wait behind a long snapshot. */
  #hear(): void {
    this.#heardAt = this.#turn.now;
    this.#answerBy = Infinity;
    this.#offline = false;
  }

  #receive({ link, frame }: Weather<'received'>): void {
    if (this.#phase !== 'open' || link !== this.#turn.link) return;
    this.#hear();
    this.#isTaken = true;
    if (!isBadFrame(frame)) {
      if (frame.topic === 'phoenix' && frame.event === 'retry_after') this.#heed(frame);
      this.#topics.hear(frame);
    } else if (frame.kind === 'bad') this.#topics.hear(frame);
    // What was lost may have been part of any topic; they all begin anew.
    else this.#drop(protocolViolation);
  }

  /** The server is about to go, and says for how long. */
  #heed({ payload }: Frame): void {
    const retryAfterMs = isObject(payload) ? payload['retry_after_ms'] : null;
    this.#directedMs = readDirected(retryAfterMs);
  }

  #closed({ link, code, isFinal = false }: Weather<'closed'>): void {
    const phase = this.#phase;
    // That there is no other token is true between two attempts, too.
    const isPast = phase === 'resting' || (phase === 'waiting' && !isFinal);
    if (link !== this.#turn.link || isPast) return;
    if (phase === 'open') this.#lost(code === grantsChanged);
    if (code === tokenInvalid) this.#unauthorized(isFinal);
    else this.#retry(code === grantsChanged);
  }

  /** Gives up a line that is open for us, or opening. */
  #drop(code: number): void {
    this.#turn.emit({ type: 'close', link: this.#turn.link, code });
    if (this.#phase === 'open') this.#lost();
    this.#retry();
  }

  #lost(isRegranted = false): void {
    this.#turn.isOpen = false;
    this.#backoff.lived(this.#turn.now - this.#openedAt);
    this.#topics.lost(isRegranted);
  }

  /** After a while; at once where there is no fault, unless that was tried shortly before. */
  #retry(atOnce = false): void {
    const isFirst = this.#backoff.failures === 0;
    const waitMs = this.#backoff.failed(this.#turn.random(), this.#directedMs);
    this.#directedMs = null;
    if (atOnce && isFirst) this.#open();
    else this.#enter('waiting', Math.max(waitMs, this.#offline ? backoffMaxMs : 0));
  }

  /** The token is no good: its source is asked once; without another one it ends here (C18). */
  #unauthorized(isFinal: boolean): void {
    const { now } = this.#turn;
    const isSoon = now < this.#renewedAt + lifeMs;
    if (isFinal || !this.#renewable || (isSoon && !this.#isTaken)) {
      this.#rest(refuse('unauthorized'));
      return;
    }
    this.#renewedAt = now;
    if (isSoon && now < this.#openedAt + tokenMs) this.#retry();
    else this.#open();
  }

  #stop(): void {
    if (this.#phase === 'open' || this.#phase === 'opening') {
      this.#turn.emit({ type: 'close', link: this.#turn.link, code: normalClosure });
    }
    this.#topics.lost();
    this.#rest(null);
  }

  /** Until `start`; topics stay wanted. */
  #rest(refusal: Refusal | null): void {
    this.#enter('resting');
    this.#refusal = refusal;
    this.#backoff.failures = 0;
    this.#everOpen = false;
    this.#renewedAt = -Infinity;
    this.#directedMs = null;
  }

  #tick(): void {
    const { now } = this.#turn;
    // The wake that was announced has come, perhaps a little early: what is due next is announced anew.
    this.#turn.announced = Infinity;
    this.#rescheduled = true;
    if (this.#phase === 'open') this.#watchLine();
    else if (now < this.#until) return;
    else if (this.#phase === 'waiting') this.#open();
    else this.#drop(normalClosure);
  }

  /** Ends a line that has been silent for too long, and asks a silent one for a sign of life. */
  #watchLine(): void {
    const { now } = this.#turn;
    if (now >= Math.min(this.#heardAt + silenceMs, this.#answerBy) || this.#topics.isOverdue) {
      this.#drop(normalClosure);
      return;
    }
    this.#topics.tick();
    const isQuiet = now >= this.#turn.sentAt + heartbeatMs;
    if (isQuiet && this.#answerBy === Infinity) this.#probe(answerMs);
  }

  /** Asks for a sign of life. */
  #probe(limitMs: number): void {
    this.#answerBy = Math.min(this.#answerBy, this.#turn.now + limitMs);
    this.#turn.send(heartbeatFrame(this.#turn.ref()));
  }

  /** There is news of the network or of the page: no waiting, and no trust in a line without a sign of life. */
  #lookAgain(hasWoken: boolean): void {
    const doubted = hasWoken || this.#offline;
    if (!hasWoken) this.#offline = false;
    if (this.#phase === 'waiting') this.#open();
    else if (this.#phase === 'open' && doubted) this.#probe(doubtMs);
  }

  /** The platform may be wrong: a line that answers stays, and without one it is tried now and then. */
  #goOffline(): void {
    this.#offline = true;
    if (this.#phase === 'open') this.#probe(doubtMs);
    else if (this.#phase === 'waiting') this.#enter('waiting', backoffMaxMs);
  }

  #enter(phase: Phase, limitMs = Infinity): void {
    this.#phase = phase;
    this.#turn.isOpen = phase === 'open';
    this.#until = this.#turn.now + limitMs;
    this.#refusal = null;
    this.#rescheduled = true;
  }

  get #due(): MonotonicMs {
    const { due } = this.#topics;
    if (this.#phase !== 'open') return Math.min(this.#until, due);
    const askAt = this.#answerBy === Infinity ? this.#turn.sentAt + heartbeatMs : this.#answerBy;
    return Math.min(this.#heardAt + silenceMs, askAt, due);
  }

  #report(): void {
    const connection = this.#connection();
    const attempts = connection === 'connected' ? 0 : this.#backoff.failures;
    const refusal = this.#refusal;
    const last = this.#reported;
    if (connection === last.connection && attempts === last.attempts && refusal === last.refusal) {
      return;
    }
    this.#reported = { connection, attempts, refusal };
    this.#turn.emit({ type: 'connection', connection, attempts, refusal });
  }

  #connection(): Connection {
    if (this.#phase === 'resting') return this.#refusal === null ? 'closed' : 'failed';
    if (this.#offline) return 'offline';
    if (this.#phase === 'open') return 'connected';
    return this.#everOpen ? 'reconnecting' : 'connecting';
  }
}
