import { type Frame, heartbeatFrame, type MonotonicMs } from '@holdfast/protocol';
import type { DialerTimes } from './times.ts';
import type { Turn } from './turn.ts';

/** An open socket, seen from the client: what goes out over it, and whether it still lives (stores.md C16). */
export class Line {
  readonly link: number;
  readonly openedAt: MonotonicMs;
  readonly #turn: Turn;
  readonly #times: DialerTimes;
  #sentAt: MonotonicMs;
  #heardAt: MonotonicMs;
  /** Asked for a sign of life: when it must have come. */
  #answerBy: MonotonicMs | null = null;

  constructor(link: number, turn: Turn, times: DialerTimes) {
    this.link = link;
    this.#turn = turn;
    this.#times = times;
    this.openedAt = turn.now;
    this.#sentAt = turn.now;
    this.#heardAt = turn.now;
  }

  send(frame: Frame): void {
    this.#sentAt = this.#turn.now;
    this.#turn.emit({ type: 'send', link: this.link, frame });
  }

  /** Any frame is a sign of life: the heartbeat's reply may wait behind a long snapshot. */
  heard(): void {
    this.#heardAt = this.#turn.now;
    this.#answerBy = null;
  }

  /** Asks for a sign of life within `limitMs`. */
  probe(limitMs: number): void {
    const by = this.#turn.now + limitMs;
    this.#answerBy = this.#answerBy === null ? by : Math.min(this.#answerBy, by);
    this.send(heartbeatFrame(String(this.#turn.ref())));
    this.#turn.remind(this.#answerBy);
  }

  /** Whether the line has been silent for too long. */
  isDead(): boolean {
    const silentUntil = this.#heardAt + this.#times.silenceMs;
    return this.#turn.now >= Math.min(silentUntil, this.#answerBy ?? silentUntil);
  }

  /** Sends a heartbeat if it is time. */
  beat(): void {
    const { heartbeatMs, answerMs } = this.#times;
    const isDue = this.#turn.now >= this.#sentAt + heartbeatMs;
    if (isDue && this.#answerBy === null) this.probe(answerMs);
  }

  /** Reminds the turn of the next heartbeat and of the end of patience. */
  remind(): void {
    const { heartbeatMs, silenceMs } = this.#times;
    this.#turn.remind(this.#heardAt + silenceMs);
    this.#turn.remind(this.#answerBy ?? this.#sentAt + heartbeatMs);
  }
}
