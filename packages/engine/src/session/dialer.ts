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
import { defaultTimes, type DialerTimes, readDirected } from './times.ts';
import { Topics, type TopicView } from './topics.ts';
import { Turn } from './turn.ts';
import type { Connection, DialerEffect, DialerInput } from './types.ts';

//  resting ──start──▶ opening ──opened──▶ open
//     ▲  stop           ▲  │ refused        │ closed, dead
//     │                 │  ▼                ▼
//     │               waiting ◀──────── probing (an upgrade was refused: why?)
//     └──no token── renewing ◀──unauthorized──┘
//
// 1. At most one link is open or opening; what an older one says is dropped.
// 2. Frames are sent over an open link only.
// 3. The token source is asked once, until a link has lived long with what it gave (stores.md C18).
// 4. At rest nothing is due.

/** What a dialer is made of: chance, whether `whoami` can be asked, and times other than the spec's. */
export type DialerConfig = Partial<DialerTimes> & {
  /** A number from 0 to 1, 1 excluded. */
  readonly random: () => number;
  /** Whether the host can perform `probe`. */
  readonly probeable: boolean;
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

type Phase = 'resting' | 'opening' | 'open' | 'waiting' | 'probing' | 'renewing';

type Report = Pick<DialerView, 'connection' | 'attempts'> & { readonly refusal: Refusal | null };

type Weather<Type extends DialerInput['type']> = Extract<DialerInput, { readonly type: Type }>;

const normalClosure = 1000;
const tokenInvalid = 4001;
const grantsChanged = 4002;
const protocolViolation = 4003;

/** The client's end of the one connection's conversation (stores.md §7, C16–C20). */
export class Dialer {
  readonly #times: DialerTimes;
  readonly #probeable: boolean;
  readonly #turn = new Turn();
  readonly #topics: Topics;
  readonly #backoff: Backoff;
  #phase: Phase = 'resting';
  /** When the phase has lasted long enough, or too long. */
  #until: MonotonicMs = Infinity;
  #link = 0;
  /** Of the line that is open: since when, when something was last sent and heard, and what it has to answer by. */
  #openedAt = 0;
  #sentAt = 0;
  #heardAt = 0;
  #answerBy = Infinity;
  /** Why it rests. */
  #refusal: Refusal | null = null;
  #reported: Report = { connection: 'closed', attempts: 0, refusal: null };
  /** The platform says that there is no network, and nothing heard since says otherwise. */
  #offline = false;
  #everOpen = false;
  #renewed = false;
  /** How long the server asked us to stay away after this link. */
  #directedMs: number | null = null;
  #rescheduled = false;

  constructor(config: DialerConfig) {
    const times = { ...defaultTimes, ...config };
    const { random } = config;
    this.#times = times;
    this.#probeable = config.probeable;
    this.#backoff = new Backoff(times, random);
    const send = (frame: Frame): void => this.#send(frame);
    this.#topics = new Topics({ turn: this.#turn, times, random, send });
  }

  /** Takes one input and says what is to be done, in order. A push to a topic that is not joined is dropped. */
  step(input: DialerInput): readonly DialerEffect[] {
    this.#turn.now = input.now;
    if ('topic' in input) this.#takeWish(input);
    else this.#takeWeather(input);
    this.#report();
    if (this.#rescheduled) this.#remind();
    return this.#turn.end();
  }

  describe(): DialerView {
    const { connection, attempts } = this.#reported;
    const topics = this.#topics.describe();
    return { phase: this.#phase, link: this.#link, connection, attempts, ...topics };
  }

  #takeWish(input: Extract<DialerInput, { topic: string }>): void {
    switch (input.type) {
      case 'join':
        return this.#topics.want(input.topic, input.payload);
      case 'leave':
        return this.#topics.leave(input.topic);
      case 'rejoin':
        return this.#topics.rejoin(input.topic);
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
      case 'probed':
        return this.#probed(input.verdict === 'unauthorized');
      case 'token':
        return this.#token(input.renewed);
      case 'online':
      case 'woke':
        return this.#lookAgain(input.type === 'woke');
    }
  }

  #start(): void {
    if (this.#phase === 'resting') this.#open();
  }

  #open(): void {
    this.#link += 1;
    this.#enter('opening', this.#times.openMs);
    this.#turn.emit({ type: 'open', link: this.#link });
  }

  #opened(link: number): void {
    if (this.#phase !== 'opening' || link !== this.#link) return;
    const { now } = this.#turn;
    this.#enter('open');
    this.#openedAt = now;
    this.#sentAt = now;
    this.#hear();
    this.#everOpen = true;
    this.#report();
    this.#topics.opened();
  }

  /** Any frame is a sign of life: the heartbeat's reply may wait behind a long snapshot. */
  #hear(): void {
    this.#heardAt = this.#turn.now;
    this.#answerBy = Infinity;
    this.#offline = false;
  }

  #receive({ link, frame }: Weather<'received'>): void {
    if (this.#phase !== 'open' || link !== this.#link) return;
    this.#hear();
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
    this.#directedMs = readDirected(retryAfterMs, this.#times);
  }

  #closed({ link, code }: Weather<'closed'>): void {
    const phase = this.#phase;
    if (link !== this.#link || (phase !== 'open' && phase !== 'opening')) return;
    if (phase === 'open') this.#lost();
    if (code === tokenInvalid) {
      this.#unauthorized();
    } else if (phase === 'opening' && this.#probeable) {
      this.#enter('probing', this.#times.openMs);
      this.#turn.emit({ type: 'probe' });
    } else {
      this.#retry(code === grantsChanged);
    }
  }

  #probed(isUnauthorized: boolean): void {
    if (this.#phase !== 'probing') return;
    if (isUnauthorized) this.#unauthorized();
    else this.#retry();
  }

  #token(renewed: boolean): void {
    if (this.#phase !== 'renewing') return;
    if (renewed) this.#open();
    else this.#rest(refuse('unauthorized'));
  }

  /** Gives up a line that is open for us, or opening. */
  #drop(code: number): void {
    this.#turn.emit({ type: 'close', link: this.#link, code });
    if (this.#phase === 'open') this.#lost();
    this.#retry();
  }

  #lost(): void {
    if (this.#backoff.lived(this.#turn.now - this.#openedAt)) this.#renewed = false;
    this.#topics.lost();
  }

  /** After a while; at once where there is no fault, unless that was tried shortly before. */
  #retry(atOnce = false): void {
    const isFirst = this.#backoff.failures === 0;
    const waitMs = this.#backoff.failed(this.#directedMs);
    this.#directedMs = null;
    if (atOnce && isFirst) this.#open();
    else this.#enter('waiting', Math.max(waitMs, this.#offline ? this.#times.backoffMaxMs : 0));
  }

  /** The token is no good: its source is asked once; without another one it ends here (C18). */
  #unauthorized(): void {
    if (this.#renewed) {
      this.#rest(refuse('unauthorized'));
      return;
    }
    this.#renewed = true;
    this.#enter('renewing');
    this.#turn.emit({ type: 'renew' });
  }

  #stop(): void {
    if (this.#phase === 'open' || this.#phase === 'opening') {
      this.#turn.emit({ type: 'close', link: this.#link, code: normalClosure });
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
    this.#renewed = false;
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
    else if (this.#phase === 'opening') this.#drop(normalClosure);
    else this.#retry();
  }

  /** Ends a line that has been silent for too long, and asks a silent one for a sign of life. */
  #watchLine(): void {
    const { now } = this.#turn;
    const { silenceMs, heartbeatMs, answerMs } = this.#times;
    if (now >= Math.min(this.#heardAt + silenceMs, this.#answerBy) || this.#topics.isOverdue) {
      this.#drop(normalClosure);
      return;
    }
    this.#topics.tick();
    if (now >= this.#sentAt + heartbeatMs && this.#answerBy === Infinity) this.#probe(answerMs);
  }

  /** Asks for a sign of life. */
  #probe(limitMs: number): void {
    this.#answerBy = Math.min(this.#answerBy, this.#turn.now + limitMs);
    this.#turn.remind(this.#answerBy);
    this.#send(heartbeatFrame(this.#turn.ref()));
  }

  #send(frame: Frame): void {
    this.#sentAt = this.#turn.now;
    this.#turn.emit({ type: 'send', link: this.#link, frame });
  }

  /** There is news of the network or of the page: no waiting, and no trust in a line without a sign of life. */
  #lookAgain(hasWoken: boolean): void {
    const doubted = hasWoken || this.#offline;
    if (!hasWoken) this.#offline = false;
    if (this.#phase === 'waiting') this.#open();
    else if (this.#phase === 'open' && doubted) this.#probe(this.#times.doubtMs);
  }

  /** The platform may be wrong: a line that answers stays, and without one it is tried now and then. */
  #goOffline(): void {
    this.#offline = true;
    if (this.#phase === 'open') this.#probe(this.#times.doubtMs);
    else if (this.#phase === 'waiting') this.#enter('waiting', this.#times.backoffMaxMs);
  }

  #enter(phase: Phase, limitMs = Infinity): void {
    this.#phase = phase;
    this.#until = this.#turn.now + limitMs;
    this.#refusal = null;
    this.#rescheduled = true;
  }

  #remind(): void {
    const turn = this.#turn;
    this.#rescheduled = false;
    turn.due = this.#until;
    if (this.#phase === 'open') {
      const { heartbeatMs, silenceMs } = this.#times;
      turn.remind(this.#heardAt + silenceMs);
      turn.remind(this.#answerBy === Infinity ? this.#sentAt + heartbeatMs : this.#answerBy);
    }
    this.#topics.remind();
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
    if (this.#phase === 'resting') return 'closed';
    if (this.#offline) return 'offline';
    if (this.#phase === 'open') return 'connected';
    return this.#everOpen ? 'reconnecting' : 'connecting';
  }
}
