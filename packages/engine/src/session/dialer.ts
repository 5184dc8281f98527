import {
  type BadFrame,
  type Frame,
  isBadFrame,
  isObject,
  type MonotonicMs,
  type Refusal,
  refuse,
} from '@holdfast/protocol';
import { Backoff } from './backoff.ts';
import { Line } from './line.ts';
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
  readonly phase: Phase['is'];
  readonly link: number;
  readonly connection: Connection;
  readonly attempts: number;
  readonly topics: readonly TopicView[];
  readonly unanswered: number;
};

type Phase =
  | { readonly is: 'resting'; readonly refusal: Refusal | null }
  | { readonly is: 'opening'; readonly by: MonotonicMs }
  | { readonly is: 'open'; readonly line: Line }
  | { readonly is: 'waiting'; readonly until: MonotonicMs }
  | { readonly is: 'probing'; readonly by: MonotonicMs }
  | { readonly is: 'renewing' };

type Report = Pick<DialerView, 'connection' | 'attempts'> & { readonly refusal: Refusal | null };

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
  #phase: Phase = { is: 'resting', refusal: null };
  #link = 0;
  #reported: Report = { connection: 'closed', attempts: 0, refusal: null };
  /** The platform says that there is no network, and nothing heard since says otherwise. */
  #offline = false;
  #everOpen = false;
  #renewed = false;
  /** How long the server asked us to stay away after this link. */
  #directedMs: number | null = null;
  #rescheduled = false;

  constructor(config: DialerConfig) {
    this.#times = { ...defaultTimes, ...config };
    this.#probeable = config.probeable;
    this.#backoff = new Backoff(this.#times, config.random);
    this.#topics = new Topics(this.#turn, this.#times, config.random);
  }

  /** Takes one input and says what is to be done, in order. Throws only on a push to a topic that is not joined. */
  step(input: DialerInput): readonly DialerEffect[] {
    this.#turn.begin(input.now);
    this.#take(input);
    this.#report();
    if (this.#rescheduled) this.#remind();
    return this.#turn.end();
  }

  describe(): DialerView {
    const { connection, attempts } = this.#reported;
    return {
      phase: this.#phase.is,
      link: this.#link,
      connection,
      attempts,
      ...this.#topics.describe(),
    };
  }

  #take(input: DialerInput): void {
    if ('topic' in input) this.#takeWish(input);
    else this.#takeWeather(input);
  }

  #takeWish(input: Extract<DialerInput, { topic: string }>): void {
    switch (input.type) {
      case 'join':
        this.#topics.want(input.topic, input.payload);
        break;
      case 'leave':
        this.#topics.leave(input.topic);
        break;
      case 'rejoin':
        this.#topics.rejoin(input.topic);
        break;
      case 'push':
        this.#topics.push(input);
        break;
    }
  }

  #takeWeather(input: Exclude<DialerInput, { topic: string }>): void {
    switch (input.type) {
      case 'start':
        this.#start();
        break;
      case 'stop':
        this.#stop();
        break;
      case 'opened':
        this.#opened(input.link);
        break;
      case 'closed':
        this.#closed(input.link, input.code);
        break;
      case 'received':
        this.#receive(input.link, input.frame);
        break;
      case 'tick':
        this.#tick();
        break;
      case 'online':
      case 'woke':
        this.#lookAgain(input.type);
        break;
      case 'offline':
        this.#goOffline();
        break;
      case 'probed':
        this.#probed(input.verdict);
        break;
      case 'token':
        this.#token(input.renewed);
        break;
    }
  }

  #start(): void {
    if (this.#phase.is === 'resting') this.#open();
  }

  #open(): void {
    this.#link += 1;
    this.#enter({ is: 'opening', by: this.#turn.now + this.#times.openMs });
    this.#turn.emit({ type: 'open', link: this.#link });
  }

  #opened(link: number): void {
    if (this.#phase.is !== 'opening' || link !== this.#link) return;
    const line = new Line(this.#link, this.#turn, this.#times);
    this.#enter({ is: 'open', line });
    this.#everOpen = true;
    this.#offline = false;
    this.#report();
    this.#topics.opened(line);
  }

  #receive(link: number, frame: Frame | BadFrame): void {
    if (this.#phase.is !== 'open' || link !== this.#link) return;
    const { line } = this.#phase;
    line.heard();
    this.#offline = false;
    if (isBadFrame(frame) && frame.kind === 'unreadable') {
      // What was lost may have been part of any topic; they all begin anew.
      this.#drop(line, protocolViolation);
      return;
    }
    if (!isBadFrame(frame) && frame.topic === 'phoenix' && frame.event === 'retry_after') {
      const retryAfterMs = isObject(frame.payload) ? frame.payload['retry_after_ms'] : null;
      this.#directedMs = readDirected(retryAfterMs, this.#times);
    }
    this.#topics.hear(frame);
  }

  #closed(link: number, code: number): void {
    if (link !== this.#link) return;
    const { is } = this.#phase;
    if (this.#phase.is === 'open') this.#lost(this.#phase.line);
    else if (is !== 'opening') return;
    if (code === tokenInvalid) {
      this.#unauthorized();
    } else if (is === 'opening' && this.#probeable) {
      this.#enter({ is: 'probing', by: this.#turn.now + this.#times.openMs });
      this.#turn.emit({ type: 'probe' });
    } else {
      this.#retry(code === grantsChanged);
    }
  }

  #probed(verdict: 'unauthorized' | 'accepted' | 'unreachable'): void {
    if (this.#phase.is !== 'probing') return;
    if (verdict === 'unauthorized') this.#unauthorized();
    else this.#retry();
  }

  #token(renewed: boolean): void {
    if (this.#phase.is !== 'renewing') return;
    if (renewed) this.#open();
    else this.#rest(refuse('unauthorized'));
  }

  /** Gives up a line that is open for us. */
  #drop(line: Line, code: number): void {
    this.#turn.emit({ type: 'close', link: line.link, code });
    this.#lost(line);
    this.#retry();
  }

  #lost(line: Line): void {
    const livedMs = this.#turn.now - line.openedAt;
    this.#backoff.lived(livedMs);
    if (livedMs >= this.#times.lifeMs) this.#renewed = false;
    this.#topics.lost();
  }

  /** After a while; at once where there is no fault, unless that was tried shortly before. */
  #retry(atOnce = false): void {
    const isFirst = this.#backoff.failures === 0;
    const waitMs = this.#backoff.failed(this.#directedMs);
    this.#directedMs = null;
    if (atOnce && isFirst) {
      this.#open();
      return;
    }
    const offlineMs = this.#offline ? this.#times.backoffMaxMs : 0;
    this.#enter({ is: 'waiting', until: this.#turn.now + Math.max(waitMs, offlineMs) });
  }

  /** The token is no good: its source is asked once; without another one it ends here (C18). */
  #unauthorized(): void {
    if (this.#renewed) {
      this.#rest(refuse('unauthorized'));
      return;
    }
    this.#renewed = true;
    this.#enter({ is: 'renewing' });
    this.#turn.emit({ type: 'renew' });
  }

  #stop(): void {
    if (this.#phase.is === 'open' || this.#phase.is === 'opening') {
      this.#turn.emit({ type: 'close', link: this.#link, code: normalClosure });
    }
    this.#topics.lost();
    this.#rest(null);
  }

  /** Until `start`; topics stay wanted. */
  #rest(refusal: Refusal | null): void {
    this.#enter({ is: 'resting', refusal });
    this.#backoff.reset();
    this.#everOpen = false;
    this.#renewed = false;
    this.#directedMs = null;
  }

  #tick(): void {
    this.#turn.woken();
    this.#rescheduled = true;
    const { now } = this.#turn;
    switch (this.#phase.is) {
      case 'opening':
        if (now < this.#phase.by) break;
        this.#turn.emit({ type: 'close', link: this.#link, code: normalClosure });
        this.#retry();
        break;
      case 'probing':
        if (now >= this.#phase.by) this.#retry();
        break;
      case 'waiting':
        if (now >= this.#phase.until) this.#open();
        break;
      case 'open':
        if (this.#phase.line.isDead() || this.#topics.isOverdue()) {
          this.#drop(this.#phase.line, normalClosure);
        } else {
          this.#topics.tick();
          this.#phase.line.beat();
        }
        break;
      case 'resting':
      case 'renewing':
        break;
    }
  }

  /** There is news of the network or of the page: no waiting, and no trust in a line without a sign of life. */
  #lookAgain(news: 'online' | 'woke'): void {
    const doubted = news === 'woke' || this.#offline;
    if (news === 'online') this.#offline = false;
    if (this.#phase.is === 'waiting') this.#open();
    else if (this.#phase.is === 'open' && doubted) this.#phase.line.probe(this.#times.doubtMs);
  }

  /** The platform may be wrong: a line that answers stays, and without one it is tried now and then. */
  #goOffline(): void {
    this.#offline = true;
    if (this.#phase.is === 'open') {
      this.#phase.line.probe(this.#times.doubtMs);
    } else if (this.#phase.is === 'waiting') {
      this.#enter({ is: 'waiting', until: this.#turn.now + this.#times.backoffMaxMs });
    }
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#rescheduled = true;
  }

  #remind(): void {
    this.#rescheduled = false;
    this.#turn.forget();
    const phase = this.#phase;
    if (phase.is === 'open') phase.line.remind();
    else if (phase.is === 'waiting') this.#turn.remind(phase.until);
    else if (phase.is === 'opening' || phase.is === 'probing') this.#turn.remind(phase.by);
    this.#topics.remind();
  }

  #report(): void {
    const connection = this.#connection();
    const attempts = connection === 'connected' ? 0 : this.#backoff.failures;
    const refusal = this.#phase.is === 'resting' ? this.#phase.refusal : null;
    const last = this.#reported;
    if (connection === last.connection && attempts === last.attempts && refusal === last.refusal) {
      return;
    }
    this.#reported = { connection, attempts, refusal };
    this.#turn.emit({ type: 'connection', connection, attempts, refusal });
  }

  #connection(): Connection {
    if (this.#phase.is === 'resting') return 'closed';
    if (this.#offline) return 'offline';
    if (this.#phase.is === 'open') return 'connected';
    return this.#everOpen ? 'reconnecting' : 'connecting';
  }
}
