import type { Json } from '@holdfast/protocol';
import type { EnvelopeTail, UploadOp } from '@holdfast/protocol/views';
import type { Sending } from './layer.ts';
import type { ViewNode } from './node.ts';
import { type Held, Skipped } from './skipped.ts';
import { Tail } from './tail.ts';
import { resetsOf } from './takeovers.ts';
import type { InstanceEffect } from './types.ts';

/*
 * Who gets the envelopes of an instance, and under which versions (views.md §5.2, §11.6).
 *
 *              attach                lagging
 *   (unknown) ────────▶ live ───────────────────▶ lagging
 *                        ▲ │ ◀─── recovered: one catch-up envelope
 *                 attach │ │ detach, kept
 *                        │ ▼
 *                       away ─── linger passes, or detach: (unknown)
 *
 * N1  On one channel every envelope begins where the one before it ended, or holds the whole tree.
 * N2  A tail is made once for all who get it.
 */

type Subscriber = {
  readonly id: number;
  readonly capver4: boolean;
  principal: unknown;
  state: 'live' | 'lagging' | 'away';
  /** How long it is waited for while it is away. */
  awayUntil: number;
  /** The last version that it was sent, as it counts. */
  sent: number;
  skipped: Skipped | null;
};

type LogEntry = { readonly version: number; readonly tail: Tail };

/** What one cycle gives to everybody, and what only to some. */
export type Cycle = {
  readonly tail: EnvelopeTail;
  readonly privately: readonly Sending[];
};

/** What an audience asks of the instance: the tree as it is. */
export type Stage = Held & {
  readonly isShared: boolean;
  perform(effect: InstanceEffect): void;
  tree(): Json;
  /** The uploads of one subscriber. */
  uploadsOf(subscriber: number): readonly UploadOp[];
  /** Asks application code whether an event is for somebody. */
  matches(to: (principal: unknown) => unknown, principal: unknown): boolean;
  /** Whether it holds all of them. */
  hasAllStreams(): boolean;
};

export class Audience {
  readonly #stage: Stage;
  readonly #subscribers = new Map<number, Subscriber>();
  readonly #log: LogEntry[] = [];
  #logBytes = 0;
  #version = 0;
  /** The envelope of the mount, while nobody has had it: its events and seeds are for who comes first. */
  #first: Tail | null = null;
  #full: { readonly version: number; readonly tail: Tail } | null = null;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#subscribers.size;
  }

  get logged(): number {
    return this.#log.length;
  }

  /** Whether the first envelope waits for who comes first. */
  get isFresh(): boolean {
    return this.#first !== null;
  }

  /** Whether anybody is there to render for. */
  get isPresent(): boolean {
    for (const { state } of this.#subscribers.values()) if (state !== 'away') return true;
    return false;
  }

  has(id: number): boolean {
    return this.#subscribers.has(id);
  }

  principalOf(id: number): unknown {
    return this.#subscribers.get(id)?.principal;
  }

  /**
   * Something was dropped that an envelope would have held: nobody who was sent this version, or an older one, has what
   * there is now.
   */
  breakLog(): void {
    this.#version++;
    this.#first = null;
    this.#full = null;
    this.#log.length = 0;
    this.#logBytes = 0;
  }

  /** The next version, to everybody. */
  publish({ tail: content, privately }: Cycle): void {
    const tail = new Tail(content);
    this.#version++;
    this.#full = null;
    this.#first = this.#version === 1 ? tail : null;
    const groups = new Map<number, number[]>();
    for (const subscriber of this.#subscribers.values()) {
      if (subscriber.state === 'lagging') this.#skip(subscriber, content);
      if (subscriber.state !== 'live') continue;
      const version = subscriber.capver4 ? this.#version : subscriber.sent + 1;
      subscriber.sent = version;
      const group = groups.get(version);
      if (group === undefined) groups.set(version, [subscriber.id]);
      else group.push(subscriber.id);
    }
    for (const [version, to] of groups) {
      this.#stage.perform({ type: 'send', to, base: version - 1, version, tail });
    }
    // Now it is known in which formats it is in use: it is measured in one of them.
    if (!this.#isRemade(content)) this.#keep(tail);
    this.sendEvents(privately);
  }

  /** Whether it is the envelope of the mount and can be made again as it was: then no log has to hold a whole tree. */
  #isRemade({ events }: EnvelopeTail): boolean {
    return this.#version === 1 && events.length === 0 && this.#stage.hasAllStreams();
  }

  /** Events and upload ops that concern single subscribers (views.md §5.4). */
  sendPrivately(id: number, content: Pick<EnvelopeTail, 'upload_ops' | 'events'>): void {
    const subscriber = this.#subscribers.get(id);
    if (subscriber === undefined || subscriber.state === 'away') return;
    const tail = { ops: [], stream_ops: [], ...content };
    if (subscriber.state === 'lagging') this.#skip(subscriber, tail);
    else this.#sendTo(subscriber, new Tail(tail), 'private');
  }

  sendEvents(privately: readonly Sending[]): void {
    if (privately.length === 0) return;
    for (const { id, principal } of this.#subscribers.values()) {
      const mine = privately.filter(({ to }) => this.#isFor(to, id, principal));
      if (mine.length === 0) continue;
      this.sendPrivately(id, { upload_ops: [], events: mine.map(({ event }) => event) });
    }
  }

  #isFor(to: Sending['to'], id: number, principal: unknown): boolean {
    return typeof to === 'function' ? this.#stage.matches(to, principal) : to === id;
  }

  /** Lets somebody in. False: what it has missed is not to be had. */
  attach(who: {
    readonly subscriber: number;
    readonly capver4: boolean;
    readonly principal: unknown;
    readonly resume: number | null;
  }): boolean {
    const { subscriber: id, capver4, principal, resume } = who;
    const missed = resume === null ? null : this.#since(resume);
    if (resume !== null && missed === null && !this.#stage.hasAllStreams()) return false;
    const known = this.#subscribers.get(id);
    const subscriber: Subscriber = {
      id,
      capver4,
      principal,
      state: 'live',
      awayUntil: 0,
      sent: known?.sent ?? 0,
      skipped: null,
    };
    this.#subscribers.set(id, subscriber);
    const version = this.#version;
    this.#stage.perform({ type: 'attached', subscriber: id, version, resumed: missed !== null });
    if (missed === null) this.#welcome(subscriber);
    else this.#catchUp(subscriber, missed);
    return true;
  }

  /** The envelopes after a version; null: they are not all there. */
  #since(version: number): readonly LogEntry[] | null {
    const missing = this.#version - version;
    if (missing < 0 || missing > this.#log.length) return null;
    return missing === 0 ? [] : this.#log.slice(-missing);
  }

  #catchUp(subscriber: Subscriber, missed: readonly LogEntry[]): void {
    for (const { version, tail } of missed) {
      subscriber.sent = version;
      const to = [subscriber.id];
      this.#stage.perform({ type: 'send', to, base: version - 1, version, tail });
    }
    subscriber.sent = this.#version;
    const { isShared } = this.#stage;
    const uploads = isShared ? this.#stage.uploadsOf(subscriber.id) : [];
    if (uploads.length > 0) this.sendPrivately(subscriber.id, { upload_ops: uploads, events: [] });
  }

  #welcome(subscriber: Subscriber): void {
    const uploads = this.#stage.uploadsOf(subscriber.id);
    const full = this.#fullTail();
    const isAlone = !this.#stage.isShared && uploads.length > 0;
    const { content } = full;
    const own = { ...content, upload_ops: [...content.upload_ops, ...uploads] };
    subscriber.sent = 0;
    this.#sendTo(subscriber, isAlone ? new Tail(own) : full, 'full');
    if (isAlone || uploads.length === 0) return;
    this.sendPrivately(subscriber.id, { upload_ops: uploads, events: [] });
  }

  /** Of the version that is: encoded once for all who come at it. */
  #fullTail(): Tail {
    if (this.#first !== null) {
      const tail = this.#first;
      this.#first = null;
      return tail;
    }
    if (this.#full?.version !== this.#version) {
      const tail = new Tail({ ops: [this.#wholeTree()], events: [], ...this.#stage.content() });
      this.#full = { version: this.#version, tail };
    }
    return this.#full.tail;
  }

  #wholeTree(): EnvelopeTail['ops'][number] {
    return { op: 'replace', path: '', value: this.#stage.tree() };
  }

  #sendTo(subscriber: Subscriber, tail: Tail, kind: 'private' | 'full'): void {
    const { capver4, sent } = subscriber;
    const counted = sent + 1;
    let [base, version] = [sent, counted];
    if (capver4) [base, version] = kind === 'full' ? [0, this.#version] : [sent, sent];
    subscriber.sent = version;
    this.#stage.perform({ type: 'send', to: [subscriber.id], base, version, tail });
  }

  /** Its socket is over the limit. */
  lag(id: number): void {
    const subscriber = this.#subscribers.get(id);
    if (subscriber?.state !== 'live') return;
    subscriber.state = 'lagging';
  }

  /** Its socket has room again: one envelope makes up for all that it was not sent (views.md §11.6). */
  recover(id: number): void {
    const subscriber = this.#subscribers.get(id);
    if (subscriber?.state !== 'lagging') return;
    const { skipped } = subscriber;
    subscriber.state = 'live';
    subscriber.skipped = null;
    if (skipped === null) return;
    const tail = new Tail({ ops: [this.#wholeTree()], ...skipped.madeUp() });
    this.#sendTo(subscriber, tail, 'full');
  }

  /** Nodes have ended: who lags is not told, and others may be under their ids by the time that it is. */
  ended(nodes: readonly ViewNode[]): void {
    const lagging = [...this.#subscribers.values()].filter(({ state }) => state === 'lagging');
    if (lagging.length === 0) return;
    const resets = resetsOf(nodes);
    for (const subscriber of lagging) this.#skippedOf(subscriber).end(resets);
  }

  #skippedOf(subscriber: Subscriber): Skipped {
    subscriber.skipped ??= new Skipped(this.#stage);
    return subscriber.skipped;
  }

  #skip(subscriber: Subscriber, tail: EnvelopeTail): void {
    const skipped = this.#skippedOf(subscriber);
    skipped.add(tail);
    if (skipped.bytes > this.#stage.limits.held_bytes) this.drop(subscriber.id);
  }

  /** Ends the channel of a subscriber: it comes anew. */
  drop(id: number): void {
    if (!this.#subscribers.delete(id)) return;
    this.#stage.perform({ type: 'drop', subscriber: id });
  }

  /** It has gone; until then it may come back. */
  keep(id: number, awayUntil: number): void {
    const subscriber = this.#subscribers.get(id);
    if (subscriber !== undefined) {
      Object.assign(subscriber, { state: 'away', skipped: null, awayUntil });
    }
  }

  /** Whether it left and may still come back. */
  isAway(id: number): boolean {
    return this.#subscribers.get(id)?.state === 'away';
  }

  /** Whether it left, and has not come back in time. */
  isOverdue(id: number, now: number): boolean {
    return this.isAway(id) && now >= (this.#subscribers.get(id)?.awayUntil ?? 0);
  }

  forget(id: number): void {
    if (this.#subscribers.delete(id)) this.#stage.perform({ type: 'forgot', subscriber: id });
  }

  /** The ids of all, for the end. */
  ids(): readonly number[] {
    return [...this.#subscribers.keys()];
  }

  #keep(tail: Tail): void {
    const { log_count: countMax, log_bytes: bytesMax } = this.#stage.limits;
    this.#log.push({ version: this.#version, tail });
    this.#logBytes += tail.bytes;
    while (this.#log.length > countMax || this.#logBytes > bytesMax) {
      const [oldest] = this.#log.splice(0, 1);
      if (oldest === undefined) return;
      this.#logBytes -= oldest.tail.bytes;
    }
  }
}
