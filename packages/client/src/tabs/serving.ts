import {
  asGlob,
  type Glob,
  isObject,
  type JoinRequest,
  type OpId,
  type Refusal,
  refuse,
  type ScopeChange,
  type Seq,
} from '@holdfast/protocol';
import { type ReplicaImage, rights } from '@holdfast/engine/replica';
import { Additions } from './additions.ts';
import { HubPart } from './part.ts';
import {
  type Answer,
  type AskLimits,
  askLimits,
  type FollowerChannel,
  type Push,
  type ServingPorts,
} from './follower.ts';
import { RelayedWrites } from './relayed-writes.ts';
import type { HeardReply, Serving, StoreHub } from './hub.ts';
import type { SeatedNews, SeatedStore } from './seat.ts';
import { type Message, snapshotOf } from './snapshot.ts';
import { reasonFor, Tail } from './tail.ts';
import type { Asked, StoreWindows } from './windows.ts';

type Beginning = {
  readonly reply: HeardReply;
  readonly image: ReplicaImage;
  readonly part: HubPart;
};

type Joining = { readonly channel: FollowerChannel; readonly request: JoinRequest };

/** What a channel has been told of, and how far. */
type Served = { seq: Seq; part: HubPart };

/** A channel is to have another part (stores.md §10.4.4). */
type Rescoping = {
  readonly channel: FollowerChannel;
  readonly change: ScopeChange;
  readonly answer: Answer;
};

const whole = asGlob('**');

/**
 * A store of the leader, as the channels of other tabs are served from it: they get what the leader's replica has, and
 * then what it hears, when it has heard it; their requests go through its outbox.
 *
 * 1. A channel is served only while the leader's own is live; the frames that it gets continue at its cursor.
 * 2. A request is answered when the leader's replica knows how it ended, after the event of it.
 */
export class StoreServing implements Serving {
  readonly #hub: StoreHub;
  readonly #ports: ServingPorts;
  readonly #joining = new Set<Joining>();
  readonly #rescoping = new Set<Rescoping>();
  readonly #channels = new Map<FollowerChannel, Served>();
  /** One for each set of patterns that a channel has, and for those that are asked for just now. */
  readonly #parts = new Map<string, HubPart>();
  readonly #writes: RelayedWrites;
  readonly #tail = new Tail();
  readonly #additions = new Additions();
  /** Queries of others: loaded with the first. */
  #windows: StoreWindows | null = null;
  /** What was asked before they are loaded. */
  readonly #early: { readonly from: FollowerChannel; ask(windows: StoreWindows): void }[] = [];

  constructor(hub: StoreHub, ports: ServingPorts) {
    this.#hub = hub;
    this.#ports = ports;
    this.#writes = new RelayedWrites({
      store: () => this.#store,
      relayed: (opId) => ports.relayed(opId),
      shut: (channel) => this.#shutOne(channel),
    });
  }

  /** Limits on requests, as far as they are known. */
  get limits(): AskLimits {
    return { ...askLimits, ...this.#hub.reply?.limits };
  }

  readonly list = (opId: OpId): boolean => this.#writes.list(opId);

  heard(news: SeatedNews): void {
    switch (news.type) {
      case 'refused':
        this.#refused(news.refusal);
        this.shut();
        break;
      case 'lost':
        this.shut();
        // Until there is another connection others may decide: who still wants it asks again.
        this.#writes.resign();
        break;
      case 'message':
        this.#hear(news);
        break;
      case 'reply':
        this.#heldAnew(this.#additions.answered(news, this.#store?.replica?.status().held));
        break;
      case 'joined':
      case 'connection':
        break;
    }
    // A reply, too, may be what the replica has waited for.
    this.#decide();
  }

  /** A channel wants to be joined: now, or when the leader's own is live. */
  join(channel: FollowerChannel, request: JoinRequest): void {
    this.#joining.add({ channel, request });
    const { refusal } = this.#hub;
    // What may not be read may be by now, as for a handle or a write of our own.
    if (rights.has(refusal?.code ?? '')) this.#store?.again();
    else if (refusal !== null) this.#refused(refusal);
    this.#decide();
  }

  left(channel: FollowerChannel): void {
    this.#channels.delete(channel);
    this.#windows?.left(channel);
    for (const each of this.#joining) if (each.channel === channel) this.#joining.delete(each);
    for (const each of this.#rescoping) if (each.channel === channel) this.#rescoping.delete(each);
    this.#sweep();
  }

  /** The patterns of a channel. */
  patternsOf(channel: FollowerChannel): readonly Glob[] {
    return this.#channels.get(channel)?.part.globs ?? [];
  }

  /** A channel is to have other patterns, which the leader is asked to have; comes when all before it is answered. */
  rescope(channel: FollowerChannel, change: ScopeChange, answer: Answer): void {
    this.#rescoping.add({ channel, change, answer });
    this.#decide();
  }

  shut(): void {
    const channels = [...this.#channels.keys()];
    this.#channels.clear();
    this.#rescoping.clear();
    this.#additions.clear();
    for (const channel of channels) channel.shut();
  }

  push(from: FollowerChannel, push: Push, answer: Answer): void {
    this.#writes.push(from, push, answer);
  }

  /** A channel opens or closes a query. */
  query(from: FollowerChannel, asked: Asked, answer: Answer): void {
    const ask = (windows: StoreWindows): void => {
      if (this.#channels.has(from)) windows.ask(from, asked, answer);
    };
    if (this.#windows !== null) {
      ask(this.#windows);
      return;
    }
    this.#early.push({ from, ask });
    if (this.#early.length === 1) void this.#loadWindows();
  }

  async #loadWindows(): Promise<void> {
    try {
      const { StoreWindows: Windows } = await import('./windows.ts');
      const told = (channel: FollowerChannel): Served | undefined => this.#channels.get(channel);
      const windows = new Windows({ hub: this.#hub, env: this.#ports.env, told });
      this.#windows = windows;
      // In their order: one may close what another opens.
      for (const each of this.#early.splice(0)) each.ask(windows);
    } catch (error) {
      this.#ports.report(error);
      for (const { from } of this.#early.splice(0)) from.decline();
    }
  }

  /** Another tab leads. */
  resign(): void {
    this.shut();
    this.#writes.resign();
    this.#windows?.resign();
  }

  /** It is for good: nobody is served any more. */
  end(): void {
    this.shut();
    this.#windows?.end();
  }

  #refused(refusal: Refusal): void {
    for (const joining of this.#joining) {
      // Who may read nothing may write: the leader joins again for that.
      if (refusal.code === 'path_not_allowed' && isBlind(joining)) continue;
      this.#joining.delete(joining);
      const { channel } = joining;
      // The connection is full of what others have.
      if (refusal.code === 'too many channels joined') channel.decline();
      else channel.refuse(refusal);
    }
  }

  #hear({ event, payload }: Message): void {
    if (event === 'events') {
      this.#follow({ event, payload });
    } else if (event.startsWith('snapshot_')) {
      this.#pass({ event, payload });
    } else if (event !== 'catch_up_complete' && !event.startsWith('query_')) {
      for (const channel of this.#channels.keys()) channel.push({ event, payload });
    }
  }

  /**
   * What the leader has asked for itself is added to what is there. Anything else replaces what no frame leads to, such as
   * what a commit has hidden, or shown.
   */
  #pass(message: Message): void {
    const { payload } = message;
    // Nor do frames tell of what was added before it was: whoever has it from elsewhere, and is behind, needs all of it.
    if (isObject(payload) && typeof payload['seq'] === 'number') this.#tail.cut(payload['seq']);
    if (!this.#additions.has(message)) this.shut();
  }

  #follow(message: Message): void {
    const { payload } = message;
    if (!isObject(payload)) return;
    const { from_seq: from, to_seq: to } = payload;
    if (typeof from !== 'number' || typeof to !== 'number') return;
    this.#tail.add({ from, to, message });
    const windows = this.#windows;
    for (const [channel, served] of this.#channels) {
      const isDeaf = served.part.isEmpty && windows?.has(channel) !== true;
      if (isDeaf || to <= served.seq) continue;
      if (from > served.seq) this.#shutOne(channel);
      else if (windows?.follow(channel, served, { from, to, message }) !== true) {
        channel.push(served.part.frame(message));
      }
      served.seq = to;
    }
  }

  #decide(): void {
    if (!this.#hub.isSettled) return;
    for (const joining of this.#joining) {
      const { reply } = this.#hub;
      // One for each: it can be read once.
      const image = this.#store?.replica?.image();
      if (reply !== null && image !== undefined) this.#serve(joining, { reply, image });
    }
    this.#windows?.look();
    for (const rescoping of this.#rescoping) {
      const image = this.#store?.replica?.image();
      if (image !== undefined) this.#rescope(rescoping, image);
    }
  }

  get #store(): SeatedStore | null {
    return this.#hub.store;
  }

  #serve(joining: Joining, has: { reply: HeardReply; image: ReplicaImage }): void {
    const { channel, request } = joining;
    const asked = this.#partOf(request.patterns ?? [whole]);
    const { coming, denied } = this.#missing(asked, has.image);
    // All of it is on its way here.
    if (coming) return;
    this.#joining.delete(joining);
    const part = this.#partOf(asked.globs.filter((each) => !denied.includes(each)));
    const isFull = this.#full !== null;
    if (asked.isEmpty || (part.isEmpty && isFull)) this.#beginBlind(channel, { ...has, part });
    else if (part.isEmpty) channel.refuse(refuse('path_not_allowed', { patterns: denied }));
    // What there is no place for is asked for again, as the server's joins have it, and refused by its name.
    else this.#begin(joining, { ...has, part, denied: isFull ? [] : denied });
  }

  /** Why the server has no place for what is denied, where that is why. */
  get #full(): Refusal | null {
    const denial = this.#store?.replica?.status().denial ?? null;
    return denial?.code === 'too_many_patterns' ? denial : null;
  }

  #missing(part: HubPart, { patterns: held }: ReplicaImage): ReturnType<HubPart['missing']> {
    return part.missing({ held, denied: this.#store?.replica?.status().denied ?? [] });
  }

  #partOf(globs: readonly Glob[]): HubPart {
    const key = JSON.stringify(globs.toSorted());
    const part = this.#parts.get(key) ?? new HubPart(globs);
    this.#parts.set(key, part);
    return part;
  }

  #sweep(): void {
    const had = new Set(Array.from(this.#channels.values(), ({ part }) => part));
    for (const [key, part] of this.#parts) if (!had.has(part)) this.#parts.delete(key);
  }

  #beginBlind(channel: FollowerChannel, { reply, image, part }: Beginning): void {
    const { seq } = image;
    this.#channels.set(channel, { seq, part });
    channel.accept({ ...this.#present(reply, seq), scope: 'none', patterns: [] });
    channel.push({ event: 'catch_up_complete', payload: { through_seq: seq } });
  }

  #begin(
    { channel, request }: Joining,
    { reply, image, part, denied }: Beginning & { readonly denied: readonly Glob[] },
  ): void {
    const { seq, incarnation } = image;
    const scope = part.scopeIn(image);
    const tail = this.#tail.after(request.lastSeq, seq);
    const why = reasonFor(request, { image, scope, tail });
    // It may leave with the answer, which its line has no room for.
    this.#channels.set(channel, { seq, part });
    channel.accept({
      ...this.#present(reply, seq),
      incarnation,
      scope,
      patterns: part.globs,
      denied,
      sync: why === null ? 'tail' : 'snapshot',
      why,
    });
    if (why === null) for (const { message } of tail ?? []) channel.push(part.frame(message));
    else this.#sendState(channel, image, { part, within: null });
    channel.push({ event: 'catch_up_complete', payload: { through_seq: seq } });
  }

  #sendState(
    channel: FollowerChannel,
    image: ReplicaImage,
    { part, within }: { readonly part: HubPart; readonly within: readonly Glob[] | null },
  ): void {
    const head = { id: this.#ports.env.randomId(), seq: image.seq, incarnation: image.incarnation };
    for (const message of snapshotOf(part.state(image), { ...head, within })) channel.push(message);
  }

  /** Answers at the present, and brings what is new: what was asked for is here, or will not be. */
  #rescope(rescoping: Rescoping, image: ReplicaImage): void {
    const { channel, change, answer } = rescoping;
    const served = this.#channels.get(channel);
    if (served === undefined) {
      this.#rescoping.delete(rescoping);
      return;
    }
    const { denied, coming } = this.#missing(this.#partOf(change.add), image);
    if (coming || (!served.part.isEmpty && served.seq !== image.seq)) return;
    this.#rescoping.delete(rescoping);
    const had = served.part.globs;
    const added = change.add.filter((each) => !had.includes(each) && !denied.includes(each));
    const full = denied.length > 0 ? this.#full : null;
    if (full !== null && added.length === 0) {
      answer('error', full.toResponse());
      return;
    }
    const kept = had.filter((each) => !change.remove.includes(each) || change.add.includes(each));
    const part = this.#partOf([...kept, ...added]);
    this.#channels.set(channel, { seq: image.seq, part });
    const scope = part.scopeIn(image);
    const told = { denied: full === null ? denied : [] };
    answer('ok', { patterns: part.globs, scope, seq: image.seq, ...told });
    if (added.length > 0) {
      this.#sendState(channel, image, { part: this.#partOf(added), within: added });
    }
    this.#sweep();
  }

  /** The leader's own join reply, as it would be now. */
  #present(reply: HeardReply, seq: Seq): object {
    const passed = this.#ports.env.wall() - reply.heardAt;
    const server_time = Math.max(0, Math.round(reply.server_time + passed));
    const own = { denied: undefined, heardAt: undefined };
    return { ...reply, store_seq: seq, server_time, sync: 'tail', why: null, ...own };
  }

  /** The leader's part is another one: who has some of what is gone joins again, though that be wanted again by now. */
  #heldAnew(held: readonly Glob[] | null): void {
    if (held === null) return;
    const denied = this.#store?.replica?.status().denied ?? [];
    for (const [channel, { part }] of this.#channels) {
      if (part.missing({ held, denied }).coming) this.#shutOne(channel);
    }
  }

  #shutOne(channel: FollowerChannel): void {
    if (this.#channels.delete(channel)) channel.shut();
  }
}

/** Wants to write, and to be told of nothing. */
function isBlind({ request }: Joining): boolean {
  return request.patterns?.length === 0;
}
