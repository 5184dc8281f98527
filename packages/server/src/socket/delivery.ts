import type { Seq } from '@holdfast/protocol';
import type { Audience, ChannelPort, ChannelTerms } from './terms.ts';
import type { Fanout, Listener } from './fanout.ts';
import { encodePart, partsOf } from './ops.ts';
import type { Outbox } from './outbox.ts';
import type { SocketRoom } from './room.ts';
import { sendLegacySnapshot, sendSnapshot } from './snapshot-sender.ts';
import { nextTurn } from './turn.ts';
import { message } from './wire.ts';

/*
 *            begin                    at the head               too slow
 *  waiting ────────▶ catching up ───────────────────▶ live ───────────────▶ catching up
 *                    (cursor in the log)              (cursor is the head)
 *
 * 1. Ops reach the socket in strictly increasing seq, each once: a channel is either in a live group or reads the log.
 * 2. The step from the log to the live group happens in one turn, when the cursor is the head.
 * 3. An answer that names a seq leaves after the events up to that seq.
 */
export class Delivery implements Listener {
  readonly outbox: Outbox;
  readonly #room: SocketRoom;
  readonly #port: ChannelPort;
  readonly #terms: ChannelTerms;
  readonly #audience: Audience;
  readonly #held: { readonly fanout: Fanout; release(): void };
  #cursor: Seq | 'live' | 'silent';
  #waiting: { readonly seq: Seq; readonly send: () => void }[] = [];
  #leaveGroup: () => void = () => undefined;
  #closed = false;

  constructor(room: SocketRoom, port: ChannelPort, terms: ChannelTerms) {
    this.#room = room;
    this.#port = port;
    this.#terms = terms;
    this.outbox = port.outbox;
    this.#audience = { dialect: terms.dialect, topic: terms.topic, codec: terms.codec };
    this.#held = room.fanouts.hold(terms.host);
    this.#cursor = terms.plan.silent ? 'silent' : terms.plan.from;
  }

  begin(): void {
    this.#catchUp().catch((error: unknown) => this.#port.fail('catch-up failed', error));
  }

  /** Runs `send` once the events up to `seq` have been sent. */
  reach(seq: Seq, send: () => void): void {
    if (this.hasReached(seq)) send();
    else this.#waiting.push({ seq, send });
  }

  /** Whether the events up to `seq` have been sent. */
  hasReached(seq: Seq): boolean {
    return typeof this.#cursor === 'string' || seq <= this.#cursor;
  }

  /** Whether the op of a seq reached this channel as part of a state, not as itself (stores.md §6.6). */
  hasSkipped(seq: Seq): boolean {
    const { cut, from, snapshot } = this.#terms.plan;
    return seq <= cut && (snapshot !== null || seq <= from);
  }

  /** The peer says that it has everything up to `seq`. */
  acknowledged(seq: Seq): void {
    if (seq >= this.#terms.plan.cut) this.#confirmed();
  }

  lag(cursor: Seq): void {
    this.#cursor = cursor;
    this.#goLive().catch((error: unknown) => this.#port.fail('catch-up failed', error));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting = [];
    this.#leaveGroup();
    this.#held.release();
  }

  async #catchUp(): Promise<void> {
    const { plan, topic, codec, dialect } = this.#terms;
    if (plan.snapshot !== null) {
      const sender = dialect === 4 ? sendSnapshot : sendLegacySnapshot;
      await sender(this.#room, this.#port, { ...this.#terms, stopped: () => this.#closed });
      this.#advance(plan.cut);
    }
    while (typeof this.#cursor === 'number' && this.#cursor < plan.cut && !this.#closed) {
      await this.#sendOps(() => plan.cut);
    }
    if (this.#closed) return;
    this.outbox.send(
      message(codec, [null, null, topic, 'catch_up_complete', { through_seq: plan.cut }]),
    );
    if (plan.unconfirmed) {
      void this.#port.confirmed().then((yes) => (yes ? this.#confirmed() : null));
    }
    await this.#goLive();
  }

  async #goLive(): Promise<void> {
    while (!this.#closed && typeof this.#cursor === 'number') {
      if (this.outbox.congested) await this.outbox.drained();
      else if (this.#cursor === this.#terms.host.head) this.#join();
      else await this.#sendOps(() => this.#terms.host.head);
    }
  }

  #join(): void {
    this.#leaveGroup = this.#held.fanout.join(this.#audience, this);
    this.#cursor = 'live';
    for (const { send } of this.#waiting.splice(0)) send();
  }

  /** Sends a part of (cursor, through] from the log: whole commits, a frame's worth, in a turn of its own. */
  async #sendOps(through: () => Seq): Promise<void> {
    await nextTurn(this.#room.clock, this.outbox);
    const cursor = this.#cursor;
    if (this.#closed || typeof cursor !== 'number') return;
    const ops = await this.#terms.host.read(cursor, through());
    if (this.#closed) return;
    const [part] = partsOf(ops);
    const last = part?.at(-1);
    if (part === undefined || last === undefined) throw new Error(`no op follows ${cursor}`);
    this.outbox.send(encodePart(this.#audience, cursor, part));
    this.#advance(last.seq);
  }

  #advance(cursor: Seq): void {
    if (this.#cursor === 'silent') return;
    this.#cursor = cursor;
    while (this.#waiting[0] !== undefined && this.#waiting[0].seq <= cursor) {
      this.#waiting.shift()?.send();
    }
  }

  #confirmed(): void {
    const { plan, host, deviceId } = this.#terms;
    if (!plan.unconfirmed || this.#closed) return;
    const { name, incarnation } = host.row;
    this.#room.storage.devices
      .put(name, deviceId, { incarnation, scope: plan.scope, unconfirmed: false })
      .catch((error: unknown) => this.#room.report('device record not written', error));
  }
}
