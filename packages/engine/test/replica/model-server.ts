import { apply, decide, type DecideContext, leaseRules, Tree } from '@holdfast/engine/data';
import {
  defaultLimits,
  type DeviceId,
  entryTuple,
  isObject,
  isRefusal,
  type Op,
  type OpId,
  opTuple,
  parseTransact,
  parseWrite,
  readJoin,
  readOpId,
  type Refusal,
  refuse,
  type WriteReply,
} from '@holdfast/protocol';

/** Draws from a seed. */
export type Dice = { below(max: number): number; chance(perMille: number): boolean };

export type ServerFaults = {
  /** A push is refused for now. */
  readonly transient: number;
  readonly internal: number;
  /** A push is refused for good. */
  readonly final: number;
  /** A frame is sent twice, or not at all. */
  readonly twice: number;
  readonly lost: number;
  /** A join that could have a tail gets a snapshot. */
  readonly cheaper: number;
};

type Said =
  | { readonly kind: 'message'; readonly event: string; readonly payload: object }
  | { readonly kind: 'reply'; readonly id: OpId; readonly answer: object | Refusal };

type Snapshot = {
  readonly id: string;
  readonly seq: number;
  readonly frames: readonly (readonly [string, object])[];
};

/** One client's channel: what is on its way to it, frames and replies each in their order. */
export class Channel {
  readonly deviceId: DeviceId;
  frames: Said[] = [];
  replies: Said[] = [];
  pushes: { readonly event: string; readonly payload: object }[] = [];
  cursor = 0;
  blockedBy: OpId | null = null;

  constructor(deviceId: DeviceId) {
    this.deviceId = deviceId;
  }
}

/** A store's server in the plainest form: one state, one log, no storage. */
export class ModelServer {
  tree = Tree.empty();
  log: Op[] = [];
  incarnation = 'i0';
  now = 0;
  readonly #answers = new Map<string, WriteReply>();
  readonly #channels = new Set<Channel>();
  readonly #dice: Dice;
  #snapshot: Snapshot | null = null;
  #snapshots = 0;
  faults: ServerFaults;

  constructor(dice: Dice, faults: ServerFaults) {
    this.#dice = dice;
    this.faults = faults;
  }

  get head(): number {
    return this.log.length;
  }

  leave(channel: Channel): void {
    this.#channels.delete(channel);
  }

  /** The join reply; what follows it is queued on the channel. */
  join(channel: Channel, payload: object): object {
    const asked = readJoin(payload, 4, defaultLimits);
    if (isRefusal(asked)) throw new TypeError(`join refused: ${asked.code}`);
    this.#channels.add(channel);
    channel.cursor = asked.lastSeq;
    const { head } = this;
    const isOther = asked.lastSeq > 0 && asked.incarnation !== this.incarnation;
    const isFresh = asked.lastSeq === 0 && head > 0;
    const isCheaper = head > 0 && this.#dice.chance(this.faults.cheaper);
    const isSnapshot = isFresh || isOther || asked.lastSeq > head || isCheaper;
    if (isSnapshot) this.#sendSnapshot(channel, asked.snapshot);
    else this.#flush(channel, 3);
    this.#say(channel, 'catch_up_complete', { through_seq: head });
    return {
      store_seq: head,
      capver: 4,
      capver_min: 3,
      permissions: { read: true, write: true },
      scopes: [],
      store_access: { mode: 'all', store_ids: [] },
      incarnation: this.incarnation,
      scope: 'whole',
      patterns: null,
      sync: isSnapshot ? 'snapshot' : 'tail',
      why: isSnapshot ? 'cheaper' : null,
      oldest_seq: 1,
      dedupe_since: 0,
      server_time: this.now,
      expires_at: null,
      limits: {},
    };
  }

  /** Takes the next push of a channel. */
  work(channel: Channel): void {
    const push = channel.pushes.shift();
    if (push === undefined || !isObject(push.payload)) return;
    const opId = readOpId(push.payload);
    if (isRefusal(opId)) throw new TypeError(`push without an id`);
    const answer = this.#answer(channel, opId, push);
    // The writer's own event goes before its reply.
    for (const each of this.#channels) {
      if (each === channel || this.#dice.chance(500)) this.#flush(each, 50);
    }
    channel.replies.push({ kind: 'reply', id: opId, answer });
  }

  /** Sends everybody what is committed. */
  flush(): void {
    for (const channel of this.#channels) this.#flush(channel, 50);
  }

  /** Goes back to a state of before, as a restored backup does. */
  restore(seq: number): void {
    this.log = this.log.slice(0, seq);
    this.incarnation = `i${Number(this.incarnation.slice(1)) + 1}`;
    this.tree = Tree.empty();
    for (const op of this.log) apply(this.tree, op);
    const ids = new Set(this.log.map(({ deviceId, clientOpId }) => `${deviceId} ${clientOpId}`));
    for (const id of this.#answers.keys()) if (!ids.has(id)) this.#answers.delete(id);
    this.#snapshot = null;
  }

  #answer(
    channel: Channel,
    opId: OpId,
    { event, payload }: { readonly event: string; readonly payload: object },
  ): object | Refusal {
    const id = `${channel.deviceId} ${opId}`;
    const known = this.#answers.get(id);
    if (known !== undefined) return known;
    if ('unblock' in payload) channel.blockedBy = null;
    if (channel.blockedBy !== null) {
      return refuse('blocked', { client_op_id: channel.blockedBy, retry_after_ms: 50 });
    }
    const fault = this.#fault();
    if (fault !== null) {
      if (fault.code !== 'limit_exceeded') channel.blockedBy = opId;
      return fault;
    }
    const options = { dialect: 4, limits: defaultLimits } as const;
    const request =
      event === 'transact' ? parseTransact(payload, options) : parseWrite(payload, options);
    if (isRefusal(request)) return request;
    const context: DecideContext = {
      head: this.head,
      deviceId: channel.deviceId,
      opId,
      principal: null,
      at: 0,
      leases: leaseRules(() => false),
      limits: defaultLimits,
    };
    const decision = decide(this.tree, request, context);
    if (isRefusal(decision)) return decision;
    for (const op of decision.ops) apply(this.tree, op);
    this.log.push(...decision.ops);
    this.#answers.set(id, decision.result);
    return decision.result;
  }

  #fault(): Refusal | null {
    const { transient, internal, final } = this.faults;
    if (this.#dice.chance(transient)) return refuse('rate_limited', { retry_after_ms: 40 });
    if (this.#dice.chance(internal)) return refuse('internal_error', { error_id: 'e' });
    return this.#dice.chance(final) ? refuse('limit_exceeded') : null;
  }

  #say(channel: Channel, event: string, payload: object): void {
    channel.frames.push({ kind: 'message', event, payload });
  }

  /** Sends what a channel lacks, in frames that split no commit. */
  #flush(channel: Channel, opsMax: number): void {
    while (channel.cursor < this.head) {
      let to = Math.min(this.head, channel.cursor + 1 + this.#dice.below(opsMax));
      to = this.log[to - 1]?.tx ?? to;
      const ops = this.log.slice(channel.cursor, to).map(opTuple);
      const frame = { from_seq: channel.cursor, to_seq: to, ops };
      channel.cursor = to;
      if (this.#dice.chance(this.faults.lost)) continue;
      this.#say(channel, 'events', frame);
      if (this.#dice.chance(this.faults.twice)) this.#say(channel, 'events', frame);
    }
  }

  #sendSnapshot(
    channel: Channel,
    asked: { readonly id: string; readonly next: number } | null,
  ): void {
    const held = this.#snapshot;
    const isHeld = asked !== null && held !== null && asked.id === held.id;
    const snapshot = isHeld ? held : this.#take();
    const [begin, ...rest] = snapshot.frames;
    if (begin === undefined) return;
    this.#say(channel, ...begin);
    for (const [event, payload] of rest.slice(isHeld ? asked.next : 0)) {
      this.#say(channel, event, payload);
    }
    channel.cursor = snapshot.seq;
    this.#flush(channel, 20);
  }

  #take(): Snapshot {
    this.#snapshots++;
    const id = `s${this.#snapshots}`;
    const seq = this.head;
    const leaves = [...this.tree.entries()].map(entryTuple);
    const size = 1 + this.#dice.below(4);
    const frames: (readonly [string, object])[] = [
      ['snapshot_begin', { id, seq, incarnation: this.incarnation, entries: null, within: null }],
    ];
    for (let at = 0, index = 0; at < leaves.length; at += size, index++) {
      const maps = index === 0 ? this.tree.maps() : [];
      frames.push(['snapshot_chunk', { id, index, entries: leaves.slice(at, at + size), maps }]);
    }
    frames.push(['snapshot_end', { id, seq, chunks: frames.length - 1, entries: leaves.length }]);
    this.#snapshot = { id, seq, frames };
    return this.#snapshot;
  }
}
