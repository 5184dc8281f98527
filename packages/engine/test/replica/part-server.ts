import {
  apply,
  decide,
  entriesIn,
  leaseRules,
  MapRows,
  project,
  Scope,
  Tree,
} from '@holdfast/engine/data';
import {
  asGlob,
  defaultLimits,
  type Entry,
  entryTuple,
  type Glob,
  isObject,
  isRefusal,
  type Op,
  opTuple,
  parseWrite,
  readJoin,
  readOpId,
  readScope,
  type Refusal,
  type Request,
  type Seq,
} from '@holdfast/protocol';
import { pattern } from './desk.ts';
import type { Dice } from './model-server.ts';

type Said = readonly ['message', string, object] | readonly ['reply', string, object | Refusal];

/** One channel: what is on its way down, in one order, and up. */
export type Channel = {
  cursor: Seq;
  patterns: readonly Glob[];
  readonly down: Said[];
  readonly up: { readonly id: string; readonly event: string; readonly payload: object }[];
};

export function scopeOf(globs: readonly Glob[]): Scope {
  return new Scope(globs.map((glob) => pattern(glob)));
}

/** What is in a part of a state, in path order. */
export function partOf(tree: Tree, globs: readonly Glob[]): readonly Entry[] {
  return [...entriesIn(tree, scopeOf(globs))].filter((entry) => entry !== null);
}

/** A store that serves parts of itself, in the plainest form. */
export class PartServer {
  /** By seq. */
  readonly states: Tree[] = [Tree.empty()];
  readonly #log: (Op & { readonly removed: readonly Entry[] })[] = [];
  readonly #answers = new Map<string, object>();
  readonly #dice: Dice;
  /** Snapshots of whole parts, by why they were sent. */
  readonly resyncs: string[] = [];
  #snapshots = 0;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  get head(): Seq {
    return this.states.length - 1;
  }

  get tree(): Tree {
    return this.states[this.head] ?? Tree.empty();
  }

  commit(
    request: Exclude<Request, { op: 'transact' }>,
    deviceId: string,
    opId: string,
  ): object | Refusal {
    const known = this.#answers.get(opId);
    if (known !== undefined) return known;
    const tree = this.tree.fork();
    const decision = decide(tree, request, {
      head: this.head,
      deviceId,
      opId,
      principal: null,
      at: 0,
      leases: leaseRules(() => false),
      limits: defaultLimits,
    });
    if (isRefusal(decision)) return decision;
    for (const op of decision.ops) {
      const before = tree.fork();
      apply(tree, op);
      const removed = [...before.entries()].filter(({ path }) => tree.leaf(path) === undefined);
      this.#log.push({ ...op, removed });
      this.states.push(tree.fork());
    }
    this.#answers.set(opId, decision.result);
    return decision.result;
  }

  join(channel: Channel, payload: object): object {
    const asked = readJoin(payload, 4, defaultLimits);
    if (isRefusal(asked)) throw new TypeError(asked.code);
    const { lastSeq, patterns } = asked;
    channel.patterns = patterns ?? [asGlob('**')];
    channel.cursor = lastSeq;
    const scope = JSON.stringify(channel.patterns.toSorted());
    const isSilent = channel.patterns.length === 0;
    const isFresh = lastSeq === 0 && this.head > 0 && !isSilent;
    const why = isFresh ? 'fresh' : lastSeq > 0 && asked.scope !== scope ? 'scope' : null;
    if (why !== null) {
      this.resyncs.push(why);
      this.#sendSnapshot(channel, channel.patterns, null);
    } else this.flush(channel);
    channel.down.push(['message', 'catch_up_complete', { through_seq: this.head }]);
    return {
      store_seq: this.head,
      capver: 4,
      capver_min: 3,
      permissions: { read: true, write: true },
      scopes: [],
      store_access: { mode: 'all', store_ids: [] },
      incarnation: 'i',
      scope,
      patterns: channel.patterns,
      sync: why === null ? 'tail' : 'snapshot',
      why,
      oldest_seq: 1,
      dedupe_since: 0,
      server_time: 0,
      expires_at: null,
      limits: {},
    };
  }

  work(channel: Channel): void {
    const push = channel.up.shift();
    if (push === undefined) return;
    const answer = push.event === 'scope' ? null : this.#write(push.payload);
    this.flush(channel);
    if (answer === null) this.#rescope(channel, push);
    else channel.down.push(['reply', push.id, answer]);
  }

  #write(payload: object): object | Refusal {
    const opId = readOpId(isObject(payload) ? payload : {});
    const request = parseWrite(payload, { dialect: 4, limits: defaultLimits });
    if (isRefusal(opId) || isRefusal(request)) throw new TypeError('a push that makes no sense');
    return this.commit(request, opId.slice(0, 1), opId);
  }

  #rescope(
    channel: Channel,
    { id, payload }: { readonly id: string; readonly payload: object },
  ): void {
    const change = readScope(payload, defaultLimits);
    if (isRefusal(change)) throw new TypeError(change.code);
    const added = change.add.filter((each) => !channel.patterns.includes(each));
    const kept = channel.patterns.filter((each) => !change.remove.includes(each));
    channel.patterns = [...kept, ...added];
    const scope = JSON.stringify(channel.patterns.toSorted());
    channel.cursor = this.head;
    const reply = { patterns: channel.patterns, scope, seq: this.head, denied: [] };
    channel.down.push(['reply', id, reply]);
    if (added.length > 0) this.#sendSnapshot(channel, added, added);
  }

  /** Sends what a channel lacks, in frames that split no commit. */
  flush(channel: Channel): void {
    if (channel.patterns.length === 0) channel.cursor = this.head;
    const scope = scopeOf(channel.patterns);
    while (channel.cursor < this.head) {
      let to = Math.min(this.head, channel.cursor + 1 + this.#dice.below(4));
      to = this.#log[to - 1]?.tx ?? to;
      const ops = this.#log.slice(channel.cursor, to).flatMap((op) => project(op, scope) ?? []);
      const frame = { from_seq: channel.cursor, to_seq: to, ops: ops.map(opTuple) };
      channel.cursor = to;
      channel.down.push(['message', 'events', frame]);
    }
  }

  #sendSnapshot(channel: Channel, globs: readonly Glob[], within: readonly Glob[] | null): void {
    this.#snapshots += 1;
    const [id, seq] = [`s${this.#snapshots}`, this.head];
    const entries = partOf(this.tree, globs);
    const rows = new MapRows(this.tree, scopeOf(globs));
    for (const entry of entries) rows.pass(entry);
    const send = (event: string, payload: object): void =>
      void channel.down.push(['message', `snapshot_${event}`, { id, ...payload }]);
    send('begin', { seq, incarnation: 'i', entries: null, within });
    let chunks = 0;
    for (; chunks * 3 < entries.length; chunks += 1) {
      const some = entries.slice(chunks * 3, chunks * 3 + 3).map(entryTuple);
      send('chunk', { index: chunks, entries: some, maps: chunks === 0 ? rows.finish() : [] });
    }
    send('end', { seq, chunks, entries: entries.length });
    channel.cursor = seq;
  }
}
