import type { LoggedOp } from '@holdfast/engine/authority';
import type { Seq } from '@holdfast/protocol';
import type { Traces } from '../host/requests.ts';
import { encodePart, partsOf } from './ops.ts';
import type { Outbox } from './outbox.ts';
import type { Audience } from './terms.ts';
import { message } from './wire.ts';

/** A channel that is at the head of its store and hears what comes next. */
export type Listener = {
  readonly outbox: Outbox;
  /** The channel leaves the live group with everything up to `cursor` told: its socket is too slow, or the next commit too large. */
  lag(cursor: Seq): void;
  /** Its client was asked to say when it has applied everything up to `seq`. */
  asked(seq: Seq): void;
};

/** Channels of equal audience, scope and cursor: every commit is encoded once for all of them (stores.md §10.2.0). */
export class Group {
  readonly key: string;
  readonly told: string;
  readonly listeners: Set<Listener> = new Set();
  readonly #audience: Audience;
  /** Those to be asked, behind the next events, how far they are. */
  readonly #curious = new Set<Listener>();
  #cursor: Seq;

  constructor(
    key: string,
    audience: Audience,
    { told, cursor }: { readonly told: string; readonly cursor: Seq },
  ) {
    this.key = key;
    this.told = told;
    this.#audience = audience;
    this.#cursor = cursor;
  }

  /** The seq up to which the channels have been told. */
  get cursor(): Seq {
    return this.#cursor;
  }

  /** Asks a channel's client, behind the next events, how far it is; false where that is to be done already. */
  wonder(listener: Listener): boolean {
    if (!this.listeners.has(listener) || this.#curious.has(listener)) return false;
    this.#curious.add(listener);
    return true;
  }

  leave(listener: Listener): void {
    this.listeners.delete(listener);
    this.#curious.delete(listener);
  }

  /** Takes the channels to a seq, by the ops that they see. */
  deliver(visible: readonly LoggedOp[], to: Seq, traces: Traces): void {
    for (const part of partsOf(visible, to)) {
      if (this.listeners.size === 0) break;
      if (part.isLarge && this.#audience.dialect === 4) {
        this.#dismiss();
        break;
      }
      this.#send(encodePart(this.#audience, this.#cursor, { ...part, traces }));
      this.#cursor = part.to;
    }
    this.#cursor = to;
    if (this.#curious.size > 0 && visible.length > 0) this.#ask(to);
  }

  /** Tells the channels that nothing up to a seq concerns them (stores.md §10.2.5); capver 3 has no words for it. */
  advance(to: Seq): void {
    if (to <= this.#cursor) return;
    if (this.#audience.dialect === 4 && this.listeners.size > 0) {
      this.#send(encodePart(this.#audience, this.#cursor, { ops: [], to }));
    }
    this.#cursor = to;
  }

  #send(bytes: Buffer): void {
    for (const listener of this.listeners) {
      if (listener.outbox.takesMore()) {
        listener.outbox.sendAtOnce(bytes);
      } else {
        this.leave(listener);
        listener.lag(this.#cursor);
      }
    }
  }

  /** On the same way as the events: the answer says that they have been applied. */
  #ask(seq: Seq): void {
    const { codec, topic } = this.#audience;
    const question = message(codec, [null, null, topic, 'ack', { seq }]);
    for (const listener of this.#curious) {
      listener.outbox.send(question);
      listener.asked(seq);
    }
    this.#curious.clear();
  }

  /** Each of them finds the commit in the log, and gets the state instead. */
  #dismiss(): void {
    const dismissed = [...this.listeners];
    this.listeners.clear();
    this.#curious.clear();
    for (const listener of dismissed) listener.lag(this.#cursor);
  }
}
