import { asGlob, globOf, type Path, RejectedError, type Seq } from '@holdfast/protocol';
import type { Veil } from '@holdfast/engine/gate';
import { Telling } from '../host/telling.ts';
import { noteConfirmed } from './devices.ts';
import type { Fanout, Membership } from './fanout.ts';
import type { Listener } from './group.ts';
import { encodePart, type Part, partsOf } from './ops.ts';
import type { Outbox } from './outbox.ts';
import type { Outline } from './outline.ts';
import { ChannelQueries } from './queries.ts';
import type { SocketRoom } from './room.ts';
import { type ChannelScope, globUnder, partOf } from './scope.ts';
import { sendLegacySnapshot, sendSnapshot } from './snapshot-sender.ts';
import type { Reading, ScopeChange, SnapshotPart } from './snapshot.ts';
import type { Audience, ChannelPort, ChannelTerms } from './terms.ts';
import { nextTurn } from './turn.ts';
import { message } from './wire.ts';

/** In a group that hears what is new; or somewhere in the log, on the way there; or told of nothing. */
type Place = Membership | Seq | 'silent';

/*
 *            begin                    at the head               too slow, a commit too large, another scope
 *  waiting ────────▶ catching up ───────────────────▶ live ───────────────────────────────────────────────▶ catching up
 *                    (cursor in the log)    └────────▶ silent ─────────────────another scope──────────────────┘
 *                                        without patterns
 *
 * 1. Ops reach the socket in strictly increasing seq, each once: a channel is either in a live group or reads the log.
 * 2. The step from the log to the live group happens in one turn, when the cursor is the head.
 * 3. An answer that names a seq leaves after the events up to that seq; so does the answer to a change of scope, and all
 *    that comes before it is of the old scope, all that comes after it of the new one (stores.md §10.4.4).
 */
export class Delivery implements Listener {
  readonly outbox: Outbox;
  readonly #room: SocketRoom;
  readonly #port: ChannelPort;
  readonly #terms: ChannelTerms;
  readonly #audience: Audience;
  readonly #held: { readonly fanout: Fanout; release(): void };
  readonly queries: ChannelQueries;
  #scope: ChannelScope;
  #place: Place;
  #waiting: { readonly seq: Seq; readonly send: () => void }[] = [];
  readonly #changes: ScopeChange[] = [];
  /** The seq that the client was asked about, and has not said yet. */
  #asked: Seq | null = null;
  /** It goes to the head, and takes along what sends it there once more meanwhile. */
  #isUnderWay = false;
  /** On the way through the log: how it is told, and what of it has been read and not been sent. */
  #telling: Telling | null = null;
  /** What is read since it last was at the head begins after this. */
  #readFrom: Seq | null = null;
  #parts: Part[] = [];
  /** What was missing at the join has been sent. */
  #isComplete = false;
  #closed = false;

  constructor(room: SocketRoom, port: ChannelPort, terms: ChannelTerms) {
    this.#room = room;
    this.#port = port;
    this.#terms = terms;
    this.outbox = port.outbox;
    this.#audience = { dialect: terms.dialect, topic: terms.topic, codec: terms.codec };
    this.#held = room.fanouts.hold(terms.host, room);
    this.#scope = terms.plan.scope;
    const { evaluations } = this.#held.fanout;
    this.queries = new ChannelQueries({ room, terms, outbox: port.outbox, evaluations });
    this.#place = terms.plan.from;
    const { sight } = terms.plan;
    if (sight !== undefined) sight.account.attendant = this;
  }

  /** What the client has, or is about to have. */
  get scope(): ChannelScope {
    return this.#scope;
  }

  /** How many ops it lacks: of the log where it reads that, else of what came since its client was asked how far it is. */
  get behind(): number {
    const known = typeof this.#place === 'number' ? this.#place : this.#asked;
    return known === null ? 0 : this.#head - known;
  }

  /** Asks the client how far it is, right behind the next events; false where it does not say, or has yet to. */
  wonder(): boolean {
    const place = this.#place;
    if (!this.#terms.acks || this.#asked !== null || typeof place !== 'object') return false;
    return place.wonder();
  }

  asked(seq: Seq): void {
    this.#asked = seq;
  }

  begin(): void {
    this.#run(this.#catchUp());
  }

  /** Runs `send` once the events up to `seq` have been sent. */
  reach(seq: Seq, send: () => void): void {
    if (typeof this.#place === 'object' && this.#place.told() < seq) this.#place.flush();
    if (this.hasReached(seq)) send();
    else this.#waiting.push({ seq, send });
  }

  /** Whether the events up to `seq` have been sent. */
  hasReached(seq: Seq): boolean {
    const place = this.#place;
    if (place === 'silent') return true;
    return seq <= (typeof place === 'number' ? place : place.told());
  }

  /** Whether the op of a seq reached this channel as part of a state, not as itself (stores.md §6.6). */
  hasSkipped(seq: Seq): boolean {
    const { cut, from, snapshot } = this.#terms.plan;
    return seq <= cut && (snapshot !== null || seq <= from);
  }

  /** The peer says that it has everything up to `seq`; of a snapshot that has yet to be sent that tells nothing. */
  acknowledged(seq: Seq): void {
    this.#asked = null;
    if (this.#isComplete && seq >= this.#terms.plan.cut) this.#confirmed();
  }

  lag(cursor: Seq): void {
    if (typeof this.#place === 'object') this.#leave(this.#place);
    this.#lose();
    this.#place = cursor;
    this.#room.meters.lagging.add();
    this.#run(this.#goLive());
  }

  refresh(): void {
    if (this.#closed || typeof this.#place === 'number') return;
    this.rescope(() => ({ scope: this.#scope, addition: null }));
  }

  /** The parts of which the client may have another view than it should, to be put right at the head; null: none. */
  #doubtful(head: Seq): SnapshotPart | null {
    const { sight } = this.#terms.plan;
    if (sight === undefined) return null;
    if (this.#readFrom !== null) sight.account.unsure.add(sight.viewer.takenSince(this.#readFrom));
    this.#readFrom = null;
    if (sight.account.unsure.isEmpty) return null;
    const { objects } = sight.account.tell(head);
    const globs =
      objects === null
        ? sight.viewer.veil.templates.map((each) => asGlob(`${globOf(each, {})}/**`))
        : objects.map(globUnder);
    const part = partOf(this.queries.over(this.#scope), globs);
    return part === null ? null : { ...part, isAddition: true };
  }

  /** Changes the scope as soon as everything up to the head has been told; changes take effect in order. */
  rescope(change: ScopeChange): void {
    if (this.#closed) return;
    this.#changes.push(change);
    const place = this.#place;
    if (typeof place === 'number') return;
    if (place !== 'silent') {
      place.flush();
      // The flush may have found the socket too slow: then the way to the head comes first.
      if (typeof this.#place === 'number') return;
      this.#leave(place);
    }
    this.#place = this.#terms.host.head;
    this.#run(this.#goLive());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting = [];
    if (typeof this.#place === 'object') this.#leave(this.#place);
    this.queries.close();
    const { sight } = this.#terms.plan;
    if (sight !== undefined) {
      const { viewer, account } = sight;
      viewer.left(account);
      this.outbox.whenForsaken(() => viewer.forgo(account));
    }
    this.#held.release();
  }

  #leave(place: Membership): void {
    this.queries.pause();
    place.leave();
  }

  #run(work: Promise<void>): void {
    work.catch((error: unknown) => this.#port.fail('catch-up failed', error));
  }

  async #catchUp(): Promise<void> {
    const { plan, topic, codec } = this.#terms;
    await this.#wonderAtHidden();
    await this.#sendState();
    while (this.#cursor < plan.cut && !this.#closed) await this.#sendOps(() => plan.cut);
    if (this.#closed) return;
    this.#isComplete = true;
    const through = Math.max(plan.cut, this.#cursor);
    this.outbox.send(
      message(codec, [null, null, topic, 'catch_up_complete', { through_seq: through }]),
    );
    if (plan.unconfirmed) {
      void this.#port.confirmed().then((yes) => (yes ? this.#confirmed() : null));
    }
    await this.#goLive();
  }

  /** What is hidden from the client may be something else than when it was last here. */
  async #wonderAtHidden(): Promise<void> {
    const { snapshot, from, outline = null, sight } = this.#terms.plan;
    if (sight === undefined) return;
    const { account, viewer } = sight;
    await viewer.recheck();
    if (snapshot !== null || from === 0) account.begin(this.#terms.plan);
    else if (!account.isKnown) {
      const doubts = outline === null ? null : await this.#doubtsBy(outline, viewer.veil, from);
      account.goOn(doubts);
    }
  }

  /** What a client that has begun with a page has of it otherwise than it should; null: nobody knows. */
  async #doubtsBy(outline: Outline, veil: Veil, from: Seq): Promise<readonly Path[] | null> {
    const { host } = this.#terms;
    const { leaves } = this.#scope;
    try {
      this.#telling = await Telling.from(host, { scope: leaves, after: from });
    } catch (error) {
      if (error instanceof RejectedError) return null;
      throw error;
    }
    const rest = (): Promise<void> => nextTurn(this.#room, this.outbox);
    const tree = this.#telling.state ?? host.view().tree;
    return outline.doubts(tree, { veil, leaves }, rest);
  }

  async #sendState(): Promise<void> {
    const { plan } = this.#terms;
    const { snapshot } = plan;
    if (snapshot?.kind === 'chunked') return this.#sendSnapshot(snapshot.take());
    if (snapshot?.kind === 'legacy') {
      const sending = { ...this.#terms, scope: this.#scope, stopped: () => this.#closed };
      await sendLegacySnapshot(this.#room, this.#port, { ...sending, tree: snapshot.take() });
      this.#advance(plan.cut);
    } else if (this.#isSilent) {
      this.#advance(plan.cut);
    }
    return undefined;
  }

  /** The seq up to which the channel has been told, on its way through the log. */
  get #cursor(): Seq {
    return typeof this.#place === 'number' ? this.#place : Infinity;
  }

  async #goLive(): Promise<void> {
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    while (!this.#closed && typeof this.#place === 'number') {
      // Without patterns there is nothing to tell.
      if (this.#isSilent) this.#place = this.#head;
      if (this.outbox.congested) await this.outbox.drained();
      else if (this.#place !== this.#terms.host.head) await this.#sendOps(() => this.#head);
      else await this.#arrive(this.#place);
    }
    this.#isUnderWay = false;
  }

  get #isSilent(): boolean {
    return this.#scope.patterns.length === 0 && this.queries.isEmpty;
  }

  get #head(): Seq {
    return this.#terms.host.head;
  }

  /** Everything up to the head has been told. */
  async #arrive(head: Seq): Promise<void> {
    this.#lose();
    const doubtful = this.#doubtful(head);
    if (doubtful !== null) return this.#sendSnapshot(this.#snapshot(doubtful));
    const change = this.#changes.shift();
    if (change !== undefined) {
      const { scope, addition } = change(head, this.#scope);
      this.#scope = scope;
      if (addition !== null) await this.#sendSnapshot(this.#snapshot(addition));
      else if (this.#changes.length > 0) await nextTurn(this.#room, this.outbox);
      return;
    }
    this.#place = this.#isSilent ? 'silent' : this.#join(head);
    for (const { send } of this.#waiting.splice(0)) send();
  }

  #join(head: Seq): Membership {
    const { host } = this.#terms;
    const scope = this.queries.whileLive(this.#scope);
    const place = this.#held.fanout.join(this.#audience, scope, this);
    if (!this.queries.isEmpty) this.queries.live(host.view().tree, head, () => place.flush());
    return place;
  }

  /** Sends a part of (cursor, through] from the log: whole commits, a frame's worth, in a turn of its own. */
  async #sendOps(through: () => Seq): Promise<void> {
    await nextTurn(this.#room, this.outbox);
    const cursor = this.#cursor;
    if (this.#closed) return;
    const part = await this.#nextPart(cursor, through());
    if (this.#closed) return;
    if (part.isLarge && this.#audience.dialect === 4) {
      const { snapshots, clock } = this.#room;
      const scope = this.queries.over(this.#scope);
      await this.#sendSnapshot(await snapshots.shared(this.#terms.host, scope, clock));
      return;
    }
    const isSaid = part.ops.length > 0 || this.#audience.dialect === 4;
    if (isSaid) this.outbox.send(encodePart(this.#audience, cursor, part));
    this.#advance(part.to);
  }

  /** What comes after the cursor. Of the log as much is read as one frame holds, or what several do. */
  async #nextPart(cursor: Seq, through: Seq): Promise<Part> {
    const [known] = this.#parts.splice(0, 1);
    if (known !== undefined) return known;
    const { host } = this.#terms;
    this.#readFrom ??= cursor;
    const ops = await host.read(cursor, through);
    const to = ops.at(-1)?.seq ?? through;
    if (ops[0]?.seq !== cursor + 1) return this.#stateAt(to, `the log forgot ${cursor + 1}`);
    const { leaves } = this.queries.over(this.#scope);
    try {
      this.#telling ??= await Telling.from(host, { scope: leaves, after: cursor });
    } catch (error) {
      // What was hidden then is not known any more: the state as it is tells no more than that.
      if (!(error instanceof RejectedError)) throw error;
      return this.#stateAt(to, error.message);
    }
    this.#parts = [...partsOf(this.#telling.take(ops), to)];
    this.#doubtTold(this.#telling);
    return this.#parts.shift() ?? { ops: [], to, isLarge: false };
  }

  /** The state instead of ops that the log cannot tell; whoever has no word for that (capver 3) joins again. */
  #stateAt(to: Seq, why: string): Part {
    if (this.#audience.dialect === 3) throw new Error(why);
    return { ops: [], to, isLarge: true };
  }

  /** What the log was told by is not what the rules said of the same when it was committed, or of what became of it. */
  #doubtTold({ turned }: Telling): void {
    this.#terms.plan.sight?.account.unsure.add(turned);
  }

  /** The cursor is elsewhere, or the scope another one. */
  #lose(): void {
    this.#telling = null;
    this.#parts = [];
  }

  #snapshot(part: SnapshotPart): Reading {
    const { snapshots, clock } = this.#room;
    return snapshots.current(this.#terms.host, part, clock.now());
  }

  /** The state takes the client to the seq that it is of, wherever it was. */
  async #sendSnapshot(reading: Reading): Promise<void> {
    const sending = { ...this.#terms, scope: this.#scope, stopped: () => this.#closed };
    await sendSnapshot(this.#room, this.#port, { ...sending, reading });
    this.#lose();
    if (!this.#closed) this.#advance(reading.snapshot.seq);
  }

  #advance(cursor: Seq): void {
    this.#place = cursor;
    while (this.#waiting[0] !== undefined && this.#waiting[0].seq <= cursor) {
      this.#waiting.shift()?.send();
    }
  }

  #confirmed(): void {
    if (!this.#terms.plan.unconfirmed || this.#closed) return;
    noteConfirmed(this.#room, this.#terms).catch((error: unknown) =>
      this.#room.report('device record not written', error),
    );
  }
}
