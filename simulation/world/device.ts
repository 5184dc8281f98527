import { Dialer, type DialerEffect, type DialerInput } from '@holdfast/engine/session';
import type {
  Outcome,
  Replica,
  ReplicaEffect,
  ReplicaInput,
  ReplicaStatus,
} from '@holdfast/engine/replica';
import {
  asStoreName,
  type Codec,
  frameTuple,
  isBadFrame,
  isRefusal,
  type OpId,
  type Path,
  readFrame,
  readSnapshotEnd,
  type Request,
  type Seq,
} from '@holdfast/protocol';
import type { ClientHistory } from '../validators/history.ts';
import { newDiary } from './diary.ts';
import { Ids } from './ids.ts';
import { leavesOf, Notebook } from './notebook.ts';
import { Outcomes } from './outcomes.ts';
import type { SeqOf } from './own-writes.ts';
import type { Room } from './room.ts';
import { Vault } from './vault.ts';
import { inFull, replicaOf, unfolded } from './view.ts';
import { Wire } from './wire.ts';

type Wish<Input> = Input extends unknown ? Omit<Input, 'now' | 'wall'> : never;

/** Where a device finds a server: takes the wire, or says that nobody is there. */
export type Dial = (wire: Wire, codec: Codec, by: Ids['caller']) => boolean;

/** What a device has of its world: where its servers are, how it speaks with them, and what the log has of its writes. */
type Place = { readonly dial: Dial; readonly codec: Codec; readonly seqOf: SeqOf };

const store = asStoreName('acme/app');
const topic = `store:${store}`;
const foldChance = 0.05;

/**
 * A client in all but its packaging: one dialer, one replica with a durable cache, and subscribers; it can be killed at
 * any moment and goes on from its cache.
 */
export class Device {
  readonly name: string;
  readonly #room: Room;
  readonly #place: Place;
  readonly vault: Vault;
  readonly ids: Ids;
  /** What it was told of its writes, and what its cache must not lose. */
  readonly outcomes = new Outcomes();
  readonly #lives: ClientHistory[] = [];
  #dialer: Dialer;
  #replica: Replica;
  #notebook: Notebook;
  #diary = newDiary();
  #wire: { readonly link: number; readonly wire: Wire } | null = null;
  /** The link that the dialer waits for or has; one that opens late is not wanted. */
  #wanted = 0;
  /** It has never had anything: its first sync is no news. */
  #isFresh = true;
  #slowness = 0;
  readonly #inputs: Wish<DialerInput>[] = [];
  #isStepping = false;
  #wallOffset = 0;
  #cutOffUntil = 0;

  constructor(name: string, room: Room, place: Place) {
    this.name = name;
    this.#room = room;
    this.ids = new Ids(name);
    this.#place = place;
    this.vault = new Vault(room, store);
    this.#dialer = this.#newDialer();
    this.#replica = this.#newReplica();
    this.#notebook = new Notebook(`${name}.1`, this.#replica, room);
    this.#begin();
  }

  get status(): ReplicaStatus {
    return this.#replica.status();
  }

  revision(path: Path): Seq | undefined {
    return this.#replica.entry(path)?.revision;
  }

  /** What is shown, in full. */
  shown(): string {
    return inFull(this.#replica);
  }

  ask(request: Request): void {
    const opId = this.ids.next();
    this.outcomes.asked(opId, request);
    this.#tell({ type: 'request', opId, request });
  }

  /** Takes back whatever may still be. */
  cancel(): void {
    for (const { opId } of this.#replica.outbox()) this.#tell({ type: 'cancel', opId });
  }

  /** The connection breaks; or goes silent, and nobody is told. */
  cut(): void {
    this.#wire?.wire.cut();
  }

  mute(): void {
    this.#wire?.wire.mute();
  }

  slow(ms: number): void {
    this.#slowness = ms;
    if (this.#wire !== null) this.#wire.wire.slowness = ms;
  }

  network(hint: 'online' | 'offline' | 'woke'): void {
    this.#line({ type: hint });
  }

  /** Notes what is committed here. */
  bookmark(): void {
    const { seq, entries } = this.#replica.image();
    this.#diary.bookmarks.push({ seq, entries: leavesOf(entries) });
  }

  /** The process ends, with nothing more done, and starts anew from its cache. */
  kill({ keepsCache = true }: { readonly keepsCache?: boolean } = {}): void {
    this.#room.note(this.name, keepsCache ? 'is killed' : 'is killed, and loses its cache');
    if (keepsCache) this.vault.close();
    else this.vault.lose();
    this.#finishLife({ isCut: true });
    this.#wire?.wire.cut();
    this.#wire = null;
    this.#inputs.length = 0;
    this.outcomes.forget();
    this.ids.begin();
    this.#diary = newDiary();
    this.#dialer = this.#newDialer();
    this.#replica = this.#newReplica();
    this.#notebook = new Notebook(`${this.name}.${this.ids.life}`, this.#replica, this.#room);
    this.#begin();
  }

  /** All that happened here, a history for each life; what came of the writes is in the last. */
  histories(): readonly ClientHistory[] {
    this.#finishLife({ isCut: false });
    const made = this.outcomes.list();
    return [...this.#lives.slice(0, -1), Object.assign({}, this.#lives.at(-1), { made })];
  }

  /** What a subscriber to everything has been told last of each path. */
  get believed(): Notebook['believed'] {
    return this.#notebook.believed;
  }

  /** Somebody sets its wall clock. */
  jump(ms: number): void {
    this.#wallOffset += ms;
  }

  /** It reaches nobody for a while, and nobody tells it. */
  partition(ms: number): void {
    this.#cutOffUntil = this.#room.agenda.now + ms;
    this.mute();
  }

  deliver(): void {
    this.#tell({ type: 'deliver' });
  }

  #finishLife(how: { readonly isCut: boolean }): void {
    for (let round = 0; round < 3; round++) this.deliver();
    const { bookmarks, resumes, resyncs } = this.#diary;
    this.#lives.push({
      client: `${this.name}.${this.ids.life}`,
      made: [],
      watches: this.#notebook.histories(this.status.seq, how),
      bookmarks,
      resumes,
      resyncs,
    });
  }

  #newDialer(): Dialer {
    return new Dialer({ random: () => this.#room.dice.next(), renewable: true });
  }

  #newReplica(): Replica {
    const image = this.vault.load();
    this.#isFresh = (image?.seq ?? 0) === 0;
    return replicaOf({ topic, deviceId: this.name, image }, this.#room);
  }

  #begin(): void {
    this.#line({ type: 'start' });
    this.#line({ type: 'join', topic, payload: () => this.#joinPayload() });
  }

  #joinPayload(): object {
    if (!this.#diary.isNewborn) {
      this.#diary.resumes.push(this.status.seq);
      this.#notebook.resumed();
    }
    this.#diary.isNewborn = false;
    return this.#replica.joinPayload();
  }

  /** Runs something later, unless this life is over by then. */
  #later(ms: number, run: () => void): void {
    const life = this.ids.life;
    this.#room.agenda.later(ms, () => {
      if (this.ids.life === life) run();
    });
  }

  /** An input for the dialer; inputs are taken one after the other, each with all that it causes. */
  #line(wish: Wish<DialerInput>): void {
    this.#inputs.push(wish);
    if (this.#isStepping) return;
    this.#isStepping = true;
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      if (next.type === 'push' && !this.#diary.isJoined) continue;
      const effects = this.#dialer.step({ ...next, now: this.#room.agenda.now });
      for (const { type } of effects) {
        if (type === 'joined') this.#diary.isJoined = true;
        if (type === 'lost' || type === 'refused') this.#diary.isJoined = false;
      }
      for (const effect of effects) this.#performLine(effect);
    }
    this.#isStepping = false;
  }

  #performLine(effect: DialerEffect): void {
    if ('topic' in effect) {
      this.#tellOf(effect);
      return;
    }
    const { agenda, delay } = this.#room;
    switch (effect.type) {
      case 'open':
        this.#wanted = effect.link;
        this.#later(delay(60), () => this.#open(effect.link));
        return;
      case 'close':
        this.#wanted = 0;
        this.#wireOf(effect.link)?.cut();
        return;
      case 'send':
        this.#wireOf(effect.link)?.send('up', this.#place.codec.encode(frameTuple(effect.frame)));
        return;
      case 'wake':
        if (effect.at !== null) {
          this.#later(effect.at - agenda.now, () => this.#line({ type: 'tick' }));
        }
        return;
      case 'connection':
    }
  }

  #wireOf(link: number): Wire | undefined {
    return this.#wire?.link === link ? this.#wire.wire : undefined;
  }

  #tellOf(effect: Extract<DialerEffect, { readonly topic: string }>): void {
    if (effect.type === 'joined' || effect.type === 'lost') this.#diary.snapshot = null;
    if (effect.type === 'message' && effect.event === 'snapshot_end') {
      const end = readSnapshotEnd(effect.payload);
      if (!isRefusal(end)) this.#diary.snapshot = end.seq;
    }
    this.#tell(effect);
    const isCaughtUp = effect.type === 'message' && effect.event === 'catch_up_complete';
    if (isCaughtUp && this.#diary.snapshot === null) this.#isFresh = false;
  }

  #open(link: number): void {
    if (this.#wanted !== link) return;
    const wire = new Wire(this.#room);
    wire.slowness = this.#slowness;
    wire.attach('down', {
      received: (data) => this.#receive(wire, data),
      closed: () => this.#closed(wire),
    });
    const isCutOff = this.#room.agenda.now < this.#cutOffUntil;
    if (isCutOff || !this.#place.dial(wire, this.#place.codec, this.ids.caller)) {
      this.#later(this.#room.delay(50), () => this.#line({ type: 'closed', link, code: 1006 }));
      return;
    }
    this.#wire = { link, wire };
    this.#line({ type: 'opened', link });
  }

  #receive(wire: Wire, data: string | Uint8Array): void {
    const frame = readFrame(this.#place.codec.decode(data));
    if (isBadFrame(frame)) this.#room.problem('calm', `the server sent ${String(data)}`);
    if (this.#wire?.wire === wire) this.#line({ type: 'received', link: this.#wire.link, frame });
  }

  #closed(wire: Wire): void {
    if (this.#wire?.wire !== wire) return;
    const { link } = this.#wire;
    this.#wire = null;
    this.#line({ type: 'closed', link, code: 1006 });
  }

  /** An input for the replica. */
  #tell(wish: Wish<ReplicaInput>): void {
    const { now } = this.#room.agenda;
    const before = this.status.seq;
    const effects = this.#replica.step({
      ...wish,
      now,
      wall: 1_700_000_000_000 + now + this.#wallOffset,
    });
    if (this.status.seq < before) {
      this.#room.problem('ordered', `the cursor of ${this.name} went back to ${this.status.seq}`);
    }
    this.#noteResync(before);
    for (const effect of effects) this.#perform(effect);
    if (this.#room.dice.chance(foldChance)) {
      const wrong = unfolded(this.#replica, { topic, deviceId: this.name }, this.#room);
      if (wrong !== null) this.#room.problem('folded', wrong);
      const lost = this.outcomes.own.missing(this.#replica, this.#place.seqOf, this.#room);
      if (lost !== null) this.#room.problem('own', lost);
    }
  }

  /** A snapshot has taken the replica from a cursor to its own seq: at once, or when it was ready for it. */
  #noteResync(before: Seq): void {
    const through = this.#diary.snapshot;
    if (through === null || this.status.seq < through) return;
    // One of nothing that waits for answers takes it nowhere, and may be lost.
    if (through === 0 && this.#replica.describe().collected !== null) return;
    this.#diary.snapshot = null;
    if (through > before) this.#diary.resyncs.push([before, through]);
    if (this.#isFresh) this.#notebook.startAt(through);
    this.#isFresh = false;
  }

  #perform(effect: ReplicaEffect): void {
    const { agenda, delay } = this.#room;
    switch (effect.type) {
      case 'push':
        this.#line({ ...effect, topic });
        return;
      case 'rejoin':
        return this.#line({ type: 'rejoin', topic });
      case 'persist':
        this.#persist(effect);
        return;
      case 'settled':
        this.#settle(effect.opId, effect.outcome);
        return;
      case 'notify':
        this.#notebook.hear(effect.subscription, effect.events);
        return;
      case 'deliverable':
        this.#later(delay(30), () => this.deliver());
        return;
      case 'wake':
        if (effect.at === null) return;
        this.#later(effect.at - agenda.now, () => this.#tell({ type: 'tick' }));
        return;
      case 'dropped':
        this.#room.problem('reliable', `${this.name}: a subscription was dropped`);
        return;
      case 'revoked':
      case 'status':
    }
  }

  #persist({ batch, change }: Extract<ReplicaEffect, { type: 'persist' }>): void {
    this.#later(this.#room.delay(20), () => {
      const { seq } = change;
      this.vault.commit(change);
      for (const [opId, request] of change.requests) {
        if (request === null) this.outcomes.saved(opId);
      }
      const image = this.vault.load();
      // What a kill at this moment would leave is a whole state (S80).
      if (image !== null && this.#room.dice.chance(0.2)) {
        this.#diary.bookmarks.push({ seq, entries: leavesOf(image.entries) });
      }
      this.#tell({ type: 'persisted', batch });
    });
  }

  #settle(opId: OpId, outcome: Outcome): void {
    this.#room.note(this.name, `${opId} ${outcome.status}`);
    const wrong = this.outcomes.told(opId, outcome);
    if (wrong !== null) this.#room.problem('once', wrong);
  }
}
